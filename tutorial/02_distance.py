"""Chapter 2. How far a point is from the hyperplane, and on which side.

You will see that (w.x + b) / |w| is the length of a perpendicular, that its sign is the
prediction, and what the length of w has to do with it.
"""

import numpy as np
from pictures import save

from separatrix.equations.hyperplane import signed_distance
from separatrix.plots import plot_distances
from separatrix.scratch import LogisticRegression

# A line with friendly numbers: 3 x1 + 4 x2 - 10 = 0. Its normal w = (3, 4) has the length 5.
w, b = np.array([3.0, 4.0]), -10.0
length = np.linalg.norm(w)
X = np.array([[5, 5], [4, 2], [1, 3], [3, -2], [-1, 2], [0, 0]])
y = np.array([1, 1, 1, -1, -1, -1])

# --- The distance ---------------------------------------------------------------------------------
# From x, walk a distance d straight at the line, that is, against the unit normal w / |w|. You
# arrive at foot = x - d w / |w|. That is on the line if w.foot + b = 0, which gives
#
#     d = (w.x + b) / |w|.
d = signed_distance(X, w, b)
print("distances:", d)
assert np.allclose(d, [5, 2, 1, -1.8, -1, -2])

# Check it as a surveyor would: every foot is on the line, and |d| away from its point.
feet = X - np.outer(d, w / length)
print(f"w.foot + b, at most: {np.abs(feet @ w + b).max():.0e}")  # 0 but for rounding
assert np.allclose(feet @ w + b, 0)
assert np.allclose(np.linalg.norm(X - feet, axis=1), np.abs(d))

# And no other place on the line is nearer. Try 10,001 of them for each point:
along = np.array([-w[1], w[0]]) / length
places = feet[0] + np.linspace(-20, 20, 10_001)[:, None] * along
nearest = np.array([np.linalg.norm(places - x, axis=1).min() for x in X])
print("nearest, by search:", nearest.round(3))  # the same numbers without their sign
assert np.allclose(nearest, np.abs(d), atol=1e-5)

# --- The side -------------------------------------------------------------------------------------
# The sign of d says on which side x lies: + on the side that w points to, - on the other. The rule
# that classifies is therefore one line. (A distance "belongs to" no class, as is sometimes said:
# the point does, and the sign of its distance tells which.)
predicted = np.where(d > 0, 1, -1)
print("predicted:", predicted)
assert np.array_equal(predicted, y)

# --- The length of w ------------------------------------------------------------------------------
# "Let |w| = 1 for simplicity." To get there, divide both w and b by |w|. The line is the same, and
# w.x + b is now the distance itself.
assert np.allclose(X @ (w / length) + b / length, d)

# The other way round, (2w, 2b), (10w, 10b), .. are all this line. Distances stay, w.x + b grows.
for k in (1, 2, 10):
    eta, distance = X[0] @ (k * w) + k * b, signed_distance(X, k * w, k * b)[0]
    print(f"{k:>2} (w, b):  w.x + b = {eta:5.0f}   d = {distance}")  # 25, 50, 250; always 5
    assert (eta, distance) == (25 * k, 5)

# Keep this in mind: the direction of w, with b, places the line. The length of w is free. In
# chapter 4 it becomes the model's confidence, and in chapter 7 it runs away.

# --- b belongs in the formula ---------------------------------------------------------------------
# d = w.x / |w| is the distance from another line, the one through the origin.
print("first point, with b:", d[0], "  without:", X[0] @ w / length)  # 5 and 7
assert X[0] @ w / length == 7

# --- The unit of d --------------------------------------------------------------------------------
# d has the unit of the columns, so they should share one: a distance made of years and euros has
# no meaning. Measure x1 in a unit ten times smaller, and (0.3, 4).x - 10 = 0 is the same line with
# the same sides, but other distances.
smaller_unit = signed_distance(X * [10, 1], w / [10, 1], b)
print("x1 in a smaller unit:", smaller_unit.round(2))
assert np.array_equal(np.sign(smaller_unit), np.sign(d))
assert not np.allclose(smaller_unit, d)

# --- The picture ----------------------------------------------------------------------------------
model = LogisticRegression()
model.weights_, model.bias_, model.classes_ = w, b, np.array([-1, 1])
assert np.array_equal(model.distance(X), d)
display = plot_distances(model, X, y, chosen=[0, 1, 2, 3, 4, 5])
display.ax_.margins(0.2)
save(display.figure_, "02_distance")
