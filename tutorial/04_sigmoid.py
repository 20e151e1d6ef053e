"""Chapter 4. The sigmoid: squash the margin, and a far point no longer shouts down the others.

You will see the S-curve and its rules, how it makes a probability out of w.x + b, and how it cures
the sum of chapter 3 of the point far out.
"""

import numpy as np
from pictures import save

from separatrix.equations.hyperplane import margin
from separatrix.equations.links import logit, sigmoid
from separatrix.plots import plot_boundary, plot_sigmoid
from separatrix.scratch import LogisticRegression

# --- The curve ------------------------------------------------------------------------------------
# sigmoid(t) = 1 / (1 + exp(-t)) takes any number to one between 0 and 1, and rises all the way.
for t in (-20, -2, -1, 0, 1, 2, 20):
    print(f"t = {t:3d}   sigmoid {sigmoid(t):.9f}")
assert sigmoid(0) == 0.5
assert np.all(np.diff(sigmoid(np.linspace(-20, 20, 1000))) > 0)

# Turn it around the middle and it stays itself: sigmoid(-t) = 1 - sigmoid(t).
t = np.linspace(-5, 5, 101)
print(f"sigmoid(-t) + sigmoid(t) - 1, at most: {np.abs(sigmoid(-t) + sigmoid(t) - 1).max():.0e}")
assert np.allclose(sigmoid(-t) + sigmoid(t), 1)

# It never reaches 0 or 1. A computer does round it to 1, as it has no number between 1 and
# 1 - 1e-16; near 0 it has plenty. That is why one asks for sigmoid(-40), not for 1 - sigmoid(40).
print("1 - sigmoid(40):", 1 - sigmoid(40), "  sigmoid(-40):", sigmoid(-40))  # 0 and 4.2e-18
assert 1 - sigmoid(40) == 0
assert 4e-18 < sigmoid(-40) < 5e-18

# --- A probability --------------------------------------------------------------------------------
# The model reads it as P(y = +1 | x) = sigmoid(w.x + b). On the hyperplane that is 1/2. Backwards,
# w.x + b = log(p / (1 - p)), the log-odds: adding 1 to it multiplies the odds p / (1 - p) by e.
p = sigmoid(np.array([0.0, 1.0, 2.0]))
print("p:", p.round(4), "  odds:", (p / (1 - p)).round(4), "  log-odds:", logit(p).round(12))
assert np.allclose(p / (1 - p), [1, np.e, np.e**2])
assert np.allclose(logit(p), [0, 1, 2])

# And sigmoid(t) with t = y (w.x + b) is the probability of the class the point really has: for
# y = +1 it is p, for y = -1 it is sigmoid(-(w.x + b)) = 1 - p.
# The length of w, free in chapter 2, now means something. It is how sure the model is:
for k in (0.1, 1, 10):
    print(f"1 from the boundary, |w| = {k}: probability {sigmoid(k * 1.0):.5f}")  # 0.52, 0.73, 0.99995
assert np.allclose(sigmoid([0.1, 1, 10]), [0.52498, 0.73106, 0.99995], atol=1e-5)

# --- The sum of chapter 3, squashed ---------------------------------------------------------------
# The eleven points again, the last one far out at (1, 20). Try every w of length 1, degree by degree.
X = np.array([[1, 3], [1, -3], [2, 5], [2, -5], [3, 0], [-1, -3], [-1, 3], [-2, -5], [-2, 5], [-3, 0]])
X, y = np.vstack([X, [1, 20]]), np.array([1, 1, 1, 1, 1, -1, -1, -1, -1, -1, 1])
angles = np.radians(np.arange(360))
W = np.column_stack([np.cos(angles), np.sin(angles)])
T = margin(y[:, None], X @ W.T)  # a row for each point, a column for each w

by_sum, by_sigmoid = T.sum(axis=0).argmax(), sigmoid(T).sum(axis=0).argmax()
for name, k in (("sum of t         ", by_sum), ("sum of sigmoid(t)", by_sigmoid)):
    print(f"largest {name}: w at {k:2d} degrees, right {(T[:, k] > 0).sum()} of {len(y)}")
assert (T[:, by_sum] > 0).sum() == 7
assert (T[:, by_sigmoid] > 0).sum() == 11

# Why: as t, the far point counts for as much as the other ten together. As sigmoid(t), for less
# than 1, and there is nearly nothing to gain by moving still farther from it.
print("far point as t:", T[-1, by_sum].round(1), "of", T[:, by_sum].sum().round(1))
squashed = sigmoid(T[:, by_sum])
print("far point as sigmoid(t):", squashed[-1].round(7), "of", squashed.sum().round(1))
assert T[-1, by_sum] > T[:-1, by_sum].sum()

# --- The pictures ---------------------------------------------------------------------------------
# On the S-curve every point stands at its w.x + b, above if y = +1 and below if y = -1; the thin
# upright lines are what is missing to a perfect prediction.
model = LogisticRegression()
model.weights_, model.bias_, model.classes_ = W[by_sigmoid], 0.0, np.array([-1, 1])
save(plot_sigmoid(model, X, y).figure_, "04_sigmoid")
save(plot_boundary(model, X, y).figure_, "04_largest_sum_of_sigmoids")
