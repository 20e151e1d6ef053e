"""Chapter 7. Iris: 300,000 steps, every flower right, and weights that mean nothing.

You will see the tutorial's call as it is printed everywhere, its accuracy of 1.0, and why its
weights, unlike its predictions, are no answer: these two classes have no best w.
"""

import warnings

import numpy as np
from pictures import save
from sklearn.datasets import load_iris

from separatrix.equations.losses import LogLoss
from separatrix.errors import SeparationWarning
from separatrix.plots import plot_boundary, plot_losses, plot_points
from separatrix.scratch import LogisticRegression

# --- The flowers ----------------------------------------------------------------------------------
# 150 irises. [:, :2] takes two of the four columns, length and width of the sepal; two classes come
# from the next line: 0 is setosa (50 flowers), 1 is either of the other two kinds (100).
iris = load_iris()
X = iris.data[:, :2]
y = (iris.target != 0) * 1
names = {"feature_names": iris.feature_names[:2], "class_names": ["setosa", "not setosa"]}
save(plot_points(X, y, **names).figure_, "07_points")

# --- The fit --------------------------------------------------------------------------------------
with warnings.catch_warnings(record=True, action="always", category=SeparationWarning) as caught:
    model = LogisticRegression(learning_rate=0.1, num_iterations=300000)
    model.fit(X, y)

preds = model.predict(X)
print("accuracy:", (preds == y).mean())  # 1.0
print("weights:", model.weights_.round(2), "  bias:", round(model.bias_, 2))
print(f"mean loss: {model.losses_[0]:.4f} -> {model.losses_[-1]:.5f}")
assert (preds == y).mean() == 1.0
assert np.isclose(model.losses_[0], np.log(2))  # w = 0 says 50 % to everything
save(plot_boundary(model, X, y, **names).figure_, "07_boundary")
save(plot_losses(model.losses_).figure_, "07_losses")

# --- The warning ----------------------------------------------------------------------------------
# Look at the loss: 300,000 steps, and it still goes straight down. And fit gave a warning, which the
# first line of the fit has caught to show it here:
print("SeparationWarning:", caught[0].message)
assert len(caught) == 1

# It is easy to believe. All 150 points are on their right side, so every margin t is above 0. Now
# double w and b. The line stays where it is, every t doubles, every log(1 + exp(-t)) falls. So this w
# was not the best. Nor is the doubled one, for the same reason, nor any other: no best w exists.
print("          accuracy   mean loss")
for k in (1, 2, 10, 100):
    eta = k * model.decision_function(X)
    loss = LogLoss().value(y, eta).mean()
    print(f"{k:>3} (w, b)     {((eta > 0) == y).mean():.1f}   {loss:.2e}")
    assert ((eta > 0) == y).all()
    assert k == 1 or loss < LogLoss().value(y, model.decision_function(X)).mean()

# --- What you get instead -------------------------------------------------------------------------
# Gradient descent does not know, and walks on towards infinity. Where it is when you stop it depends
# on when you stop it, and with it every probability. Take the setosa nearest to the others:
nearest = int(np.argmax(np.where(y == 0, model.decision_function(X), -np.inf)))
early = [LogisticRegression(learning_rate=0.1, num_iterations=steps).fit(X, y) for steps in (3_000, 30_000)]
print(f"  steps    |w|   accuracy   P(flower {nearest} is not setosa)")
for fit in (*early, model):
    length, p = np.linalg.norm(fit.weights_), fit.predict_proba(X)[nearest, 1]
    accuracy = (fit.predict(X) == y).mean()
    print(f"{fit.num_iterations:>7}   {length:4.1f}     {accuracy:.4f}   {p:.3f}")
lengths = [np.linalg.norm(fit.weights_) for fit in (*early, model)]
assert lengths[0] < lengths[1] < lengths[2]
assert [(fit.predict(X) == y).mean() for fit in early] == [149 / 150, 149 / 150]

# At 3,000 and at 30,000 steps one flower is still wrong, this one. (And there was no warning: it takes
# a plane that has all points right to prove that no best w exists.) The 1.0 comes with the last steps.
#
# What helps is to charge for the length of w. A penalty makes the best w finite again; chapter 8 finds
# it in 6 steps.
