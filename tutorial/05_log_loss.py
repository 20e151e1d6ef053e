"""Chapter 5. From the sigmoid to the log loss: what logistic regression really makes small.

You will see log(1 + exp(-t)) come out of a product of probabilities, the two ways of writing it
agree to the last digit, and why it, not the sigmoid, is what gets minimised.
"""

import numpy as np
from matplotlib import pyplot
from pictures import save

from separatrix.equations.hyperplane import margin
from separatrix.equations.links import sigmoid
from separatrix.equations.losses import LogLoss, MarginLoss, cross_entropy

# --- A product of probabilities -------------------------------------------------------------------
# Chapter 4: sigmoid(t_i) is the probability the model gives to the class that point i really has.
# If the points are independent, all n classes together have the product of these probabilities. The
# best w is the one under which what happened is most probable: the maximum of the likelihood.
y = np.array([1, 1, -1, -1, 1])
eta = np.array([2.0, 0.5, -1.0, 0.3, -0.2])  # w.x + b of five points, two of them on the wrong side
t = margin(y, eta)
likelihood = sigmoid(t).prod()
print("probabilities:", sigmoid(t).round(3), "  product:", likelihood.round(5))

# A product of many numbers below 1 soon is 0 in a computer: 1100 coin tosses are enough. Its logarithm
# is a sum, and as log rises with its argument, the best w stays the same. With a minus in front,
#
#     -log sigmoid(t) = -log(1 / (1 + exp(-t))) = log(1 + exp(-t))
#
# and there it is: best w = argmin of the sum over i = 1 .. n of log(1 + exp(-t_i)). The logarithm is
# the natural one; where you see "log^n", the n has slipped down from the sum.
print("0.5 to the power of 1100:", 0.5**1100, "  1100 losses of log 2:", round(1100 * np.log(2), 2))
loss = MarginLoss().value(y, eta)
print("losses:", loss.round(4))
print(f"their sum: {loss.sum():.4f}   -log(product): {-np.log(likelihood):.4f}")
assert np.isclose(loss.sum(), -np.log(likelihood))

# --- The same loss with y = 0 or 1 ----------------------------------------------------------------
# Most books code the classes as 0 and 1 and write, with p = sigmoid(w.x + b),
#
#     -[y log p + (1 - y) log(1 - p)]            (1 - y, with a one: an "i - y" is a misprint)
#
# Put in y = 1: only -log p is left, and p = sigmoid(eta), t = eta: it is log(1 + exp(-t)).
# Put in y = 0: only -log(1 - p) is left, and 1 - p = sigmoid(-eta), t = -eta: log(1 + exp(-t)).
# So both are one loss. And p is a probability, not a predicted class: a class, 0 or 1, would make
# every wrong prediction cost -log 0, which is infinite.
y01 = (y + 1) // 2
p = sigmoid(eta)
print("cross-entropy:", cross_entropy(y01, p).round(4))  # the five losses above
assert np.allclose(cross_entropy(y01, p), loss)
assert np.allclose(LogLoss().value(y01, eta), loss)

# In a computer the form in eta is the better one: at eta = 40, p has been rounded to 1, the loss of
# a wrong point is 40, and the form in p has lost it.
print("at eta = 40, y = 0:", LogLoss().value(0, 40.0), " and from p:", cross_entropy(0, sigmoid(40.0)))
assert LogLoss().value(0, 40.0) == 40
assert np.isinf(cross_entropy(0, sigmoid(40.0)))

# --- Why not the sigmoid itself -------------------------------------------------------------------
# "Gradient descent finds the minimum of the sigmoid." It has none: to the left it falls for ever and
# reaches 0 nowhere. What is minimised is the log loss. Nor is that the same as making the sum of
# sigmoids of chapter 4 large. Here is a bold model and a careful one, on three points:
bold, careful = np.array([3, 3, -3]), np.array([1, 1, -1])
for name, margins in (("bold   ", bold), ("careful", careful)):
    log_loss = MarginLoss().value(1, margins).sum()
    print(f"{name}: sum of sigmoids {sigmoid(margins).sum():.3f}   sum of log losses {log_loss:.3f}")
assert sigmoid(bold).sum() > sigmoid(careful).sum()  # the sum of sigmoids prefers the bold one,
assert MarginLoss().value(1, bold).sum() > MarginLoss().value(1, careful).sum()  # the log loss does not

# Being wrong and sure of it costs more. The other merit of the log loss is that it is convex, curved
# upwards everywhere, so that every way down leads to the same lowest value. 1 - sigmoid(t) is not:
grid = np.linspace(-8, 8, 1601)
curves = {
    "wrong or right": (grid < 0) * 1.0,
    "1 - sigmoid(t)": sigmoid(-grid),
    "log(1 + exp(-t))": MarginLoss().value(1, grid),
}
for name in ("1 - sigmoid(t)", "log(1 + exp(-t))"):
    bend = np.diff(curves[name], 2)
    print(f"{name}: curved upwards at {np.mean(bend > 0):.0%} of the places")  # 50 % and 100 %
assert np.all(np.diff(curves["log(1 + exp(-t))"], 2) > 0)
assert np.isclose(np.mean(np.diff(curves["1 - sigmoid(t)"], 2) > 0), 0.5, atol=0.01)

# --- What it costs --------------------------------------------------------------------------------
# The price of being convex: a point far out on the right side costs nothing, as with the sigmoid, but
# one far out on the wrong side costs about as much as it is far. One label typed wrong can matter.
print("   t   1 - sigmoid   log loss")
for far in (-20.0, -2.0, 0.0, 2.0, 20.0):
    print(f"{far:4.0f}   {sigmoid(-far):11.6f}   {MarginLoss().value(1, far):8.6f}")
assert np.isclose(MarginLoss().value(1, -20.0), 20)
assert np.isclose(MarginLoss().value(1, 0.0), np.log(2))  # a coin toss costs log 2 = 0.693

# --- The picture ----------------------------------------------------------------------------------
figure, ax = pyplot.subplots(figsize=(5, 4), layout="constrained")
for (name, curve), colour in zip(curves.items(), ("#94a4a2", "#3f90da", "#a3004f"), strict=True):
    ax.plot(grid, curve, color=colour, label=name)
ax.set(xlim=(-4, 4), ylim=(-0.1, 4.1), xlabel="margin t = y (w.x + b)", ylabel="loss of the point")
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)
save(figure, "05_losses")
