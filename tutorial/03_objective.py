"""Chapter 3. What "best" hyperplane could mean: the margin t = y (w.x + b), and its sum.

You will see that a margin is positive exactly when the prediction is right, that the sum of the
margins has no maximum as it stands, and that making it large is not getting most points right.
"""

import numpy as np
from pictures import save

from separatrix.equations.hyperplane import margin
from separatrix.plots import plot_boundary
from separatrix.scratch import LogisticRegression

# --- Four cases -----------------------------------------------------------------------------------
# A point has a class y, +1 or -1, and gets a prediction, the sign of w.x + b. Four cases:
print(" y   w.x + b   t = y (w.x + b)")
for truth, eta in ((1, 1), (-1, -1), (1, -1), (-1, 1)):
    t = margin(truth, eta)
    print(f"{truth:+d}      {eta:+d}            {t:+d}    {'right' if t > 0 else 'wrong'}")
    assert (t > 0) == (truth == eta)

# The margin t is positive where the prediction is right and negative where it is wrong, for both
# classes alike. w.x + b need not be +1 or -1, any number will do. With |w| = 1, t is the distance
# of chapter 2, counted as negative on the wrong side.

# --- The sum over the points ----------------------------------------------------------------------
# Now an idea: choose w so that the sum of t_1 .. t_n is as large as can be. This n is the number of
# points, the rows of X. It is not the number of dimensions, as one can read: those are the columns
# of X, and w.x has already summed over them.
X = np.array([[1, 3], [1, -3], [2, 5], [2, -5], [3, 0], [-1, -3], [-1, 3], [-2, -5], [-2, 5], [-3, 0]])
y = np.array([1, 1, 1, 1, 1, -1, -1, -1, -1, -1])
w = np.array([1.0, 0.0])  # divides along the vertical axis; b = 0 will do for these points
print("points, dimensions:", X.shape, "  margins:", margin(y, X @ w))  # ten margins, for ten points
assert margin(y, X @ w).shape == (10,)
assert (margin(y, X @ w) > 0).all()

# --- The sum has no maximum -----------------------------------------------------------------------
# Chapter 2 said that w, 10 w and 1000 w are one and the same line. Their sums are not:
sums = [margin(y, X @ (k * w)).sum() for k in (1, 10, 1000)]
print("sum for w, 10 w, 1000 w:", *sums)  # 18, 180, 18000
assert sums == [18, 180, 18_000]

# So one has to ask for |w| = 1 as well. And then no search is needed: the sum of y_i (w.x_i) is
# w.s with s = sum of y_i x_i, and the unit vector with the largest w.s is the one along s.
s = y @ X
print("s =", s, "  best w =", s / np.linalg.norm(s))  # (18, 0), so w = (1, 0): ours
assert np.array_equal(s / np.linalg.norm(s), w)

# --- The sum is not a count -----------------------------------------------------------------------
# "The plane with the largest sum is the one with the most points right." Not so. Add one point of
# class +1 at (1, 20). It is far out, but the vertical axis has it on its right side, as all others.
X, y = np.vstack([X, [1, 20]]), np.append(y, 1)
s = y @ X
best = s / np.linalg.norm(s)
print("s =", s, "  best w =", best.round(3))  # the far point has turned w towards itself
for name, candidate in (("vertical axis", w), ("largest sum  ", best)):
    t = margin(y, X @ candidate)
    print(f"{name}: sum {t.sum():5.2f}   right {(t > 0).sum()} of {len(y)}")
assert margin(y, X @ w).sum() == 19
assert margin(y, X @ best).sum() > 27
assert (margin(y, X @ w) > 0).sum() == 11
assert (margin(y, X @ best) > 0).sum() == 7

# The winner gets four points wrong to move farther from one that was right anyway. Counting the
# right points instead would be fair, but a count stays the same when w moves a little, so nothing
# tells you which way to move it. Chapter 4 looks for something between a sum and a count.

# --- The picture ----------------------------------------------------------------------------------
model = LogisticRegression()
model.weights_, model.bias_, model.classes_ = best, 0.0, np.array([-1, 1])
save(plot_boundary(model, X, y).figure_, "03_largest_sum")
