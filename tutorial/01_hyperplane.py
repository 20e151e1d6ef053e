"""Chapter 1. A line, a plane, a hyperplane: one equation, w.x + b = 0.

You will see ten card transactions divided by a line, why w stands at right angles to it, why
nothing changes in 3 or in 28 dimensions, and what goes missing when b is set to 0.
"""

import numpy as np
from pictures import save

from separatrix.equations.hyperplane import linear_predictor
from separatrix.plots import plot_boundary
from separatrix.scratch import LogisticRegression

# Ten card transactions. Each is a point x = (age of the account in years, amount in 100 euro) and
# has a class y: +1 if it was genuine, -1 if it was a fraud.
X = np.array([[3, 1], [4, 3], [5, 2], [6, 5], [5, 5], [1, 2], [2, 4], [1, 5], [3, 6], [2, 3]])
y = np.array([1, 1, 1, 1, 1, -1, -1, -1, -1, -1])

# --- The line -------------------------------------------------------------------------------------
# Anyone would draw a line between the two kinds. School writes it with a slope and an intercept,
#
#     amount = 2 age - 3.
#
# Bring everything to one side and it reads 2 age - 1 amount - 3 = 0, that is, w.x + b = 0 with
w, b = np.array([2.0, -1.0]), -3.0

# In general the slope is -w1/w2, and the line meets the vertical axis at -b/w2. That second number
# is what school calls b; ours only equals it here because w2 = -1.
print("slope", -w[0] / w[1], "  meets the axis at", -b / w[1])  # 2 and -3
assert (-w[0] / w[1], -b / w[1]) == (2.0, -3.0)

# Why not stay with the slope? A vertical line has none, while w = (1, 0), b = -3 says "age = 3"
# with no trouble. Each point gives one number, w.x + b, called eta from here on. On the line it is
# 0; its sign tells the two sides apart.
eta = linear_predictor(X, w, b)
print("genuine:", eta[y == 1], "  fraud:", eta[y == -1])  # all above 0; all below 0
assert np.array_equal(np.sign(eta), y)

# --- w is normal to the line ----------------------------------------------------------------------
# Take two points P, Q on the line. To walk from one to the other is to walk along the line, and w
# is at right angles to that walk: w.P + b = 0 and w.Q + b = 0 subtract to w.(Q - P) = 0. That is
# all that "normal" means.
P, Q = np.array([2, 1]), np.array([4, 5])
print("on the line:", w @ P + b, w @ Q + b, "  w.(Q - P) =", w @ (Q - P))  # 0, 0 and 0
assert w @ P + b == w @ Q + b == w @ (Q - P) == 0

# --- A plane, and n dimensions --------------------------------------------------------------------
# With three columns, A x + B y + C z = D is a plane: w = (A, B, C) and b = -D. For example
# x + 2y + 2z = 6, which meets the three axes at
corners = np.array([[6, 0, 0], [0, 3, 0], [0, 0, 3]])
print("on the plane:", linear_predictor(corners, [1, 2, 2], -6))  # 0, 0, 0
assert not linear_predictor(corners, [1, 2, 2], -6).any()

# With n columns there is no picture any more, but the same sentence: w1 x1 + .. + wn xn + b = 0.
# In 28 dimensions, drop 1000 random points onto a random hyperplane (chapter 2 says how); every
# way from one to another is still at right angles to w.
rng = np.random.default_rng(0)
w28, b28, points = rng.normal(size=28), rng.normal(), rng.normal(size=(1000, 28))
on_plane = points - np.outer(linear_predictor(points, w28, b28), w28) / (w28 @ w28)
ways = on_plane[1:] - on_plane[0]
print(f"28 dimensions, largest |w.way|: {np.abs(ways @ w28).max():.0e}")  # 0 but for rounding
assert np.abs(ways @ w28).max() < 1e-12

# --- Why b stays ----------------------------------------------------------------------------------
# "Let the plane pass through the origin, so b = 0" makes formulas shorter, but it is not free. At
# x = 0 the left side is b, so b = 0 nails the line to the origin. Two points on one ray from there
# are then on the same side, whatever w: no such line tells these two apart.
small, large = np.array([1, 1]), np.array([3, 3])
through_origin = rng.normal(size=(1000, 2))
dividing = np.sign(through_origin @ small) != np.sign(through_origin @ large)
print("lines through the origin that divide them:", dividing.sum(), "of 1000")  # 0
print("w = (1, 1), b = -4:", small.sum() - 4, "and", large.sum() - 4)  # -2 and 2: divided
assert not dividing.any()

# The honest way to drop b from a formula is to give every x one more coordinate that is always 1:
# w.x + b = (w, b).(x, 1), a hyperplane through the origin one dimension up.
with_one = np.column_stack([X, np.ones(len(X))])
print("the same eta:", np.array_equal(with_one @ np.append(w, b), eta))
assert np.array_equal(with_one @ np.append(w, b), eta)

# --- The picture ----------------------------------------------------------------------------------
# A linear model is nothing but w and b. Here we write them in by hand; from chapter 6 on, they are
# learned. Left of the line is fraud, right of it is genuine.
model = LogisticRegression()
model.weights_, model.bias_, model.classes_ = w, b, np.array([-1, 1])
features = ["age of the account (years)", "amount (100 euro)"]
display = plot_boundary(model, X, y, feature_names=features, class_names=["fraud", "genuine"])
save(display.figure_, "01_hyperplane")
