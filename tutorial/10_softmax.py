"""Chapter 10. Three kinds of iris: softmax regression, and why it is not three sigmoids.

You will see three separate sigmoids add up to anything between 0.2 and 1.8, softmax add up to 1, two
classes of softmax turn out to be the sigmoid again, and the confusion matrix of all three kinds.
"""

import warnings

import numpy as np
from pictures import save
from sklearn.datasets import load_iris
from sklearn.metrics import confusion_matrix

import separatrix
from separatrix.equations.links import sigmoid, softmax
from separatrix.errors import SeparationWarning
from separatrix.plots import plot_boundary, plot_confusion
from separatrix.scratch import LogisticRegression, SoftmaxRegression

iris = load_iris()
X, y = iris.data[:, 2:], iris.target  # length and width of the petal; 0 setosa, 1 versicolor, 2 virginica

# --- Three sigmoids -------------------------------------------------------------------------------
# "For each class, compute its probability by the sigmoid, and take the highest." That is three models,
# each of one kind against the rest (one-vs-rest). They have never heard of one another.
with warnings.catch_warnings(action="ignore", category=SeparationWarning):  # setosa: see chapter 7
    against_rest = [LogisticRegression(num_iterations=10_000).fit(X, y == kind) for kind in range(3)]
sigmoids = np.column_stack([model.predict_proba(X)[:, 1] for model in against_rest])
sums = sigmoids.sum(axis=1)
print("flower 70, three sigmoids:", sigmoids[70].round(3), "  sum:", sums[70].round(3))
print(f"their sums, over all flowers: {sums.min():.2f} to {sums.max():.2f}")
assert sums.min() < 0.3
assert sums.max() > 1.6

# The three disagree on who is who. For some flowers none of them says yes, for some two do:
yes = (sigmoids > 0.5).sum(axis=1)
print("flowers with no, one, two yes:", np.bincount(yes))
assert (yes == 0).any()
assert (yes == 2).any()

# Versicolor is the reason. It lies between the other two, and no line has it on one side alone:
versicolor = against_rest[1]
print("versicolor against the rest: accuracy", (versicolor.predict(X) == (y == 1)).mean().round(3))

# --- Softmax --------------------------------------------------------------------------------------
# One model instead, with a w_k and b_k for each kind, and eta_k = w_k.x + b_k. Then
#
#     P(y = k | x) = exp(eta_k) / (exp(eta_0) + exp(eta_1) + exp(eta_2)).
#
# All are above 0 and they sum to 1, because they are learned together: the loss is the mean of
# -log P(the kind it is), as in chapter 5, and each flower pulls at all three.
model = SoftmaxRegression(learning_rate=0.1, num_iterations=10_000).fit(X, y)
p = model.predict_proba(X)
print("flower 70, softmax:       ", p[70].round(3), "  sum:", p[70].sum())
print(f"sums, over all flowers: 1 to within {np.abs(p.sum(axis=1) - 1).max():.0e}")
assert np.allclose(p.sum(axis=1), 1)

# --- Two classes are the old model ----------------------------------------------------------------
# exp(a) / (exp(a) + exp(b)) = 1 / (1 + exp(-(a - b))): softmax of two is the sigmoid of the difference.
eta = np.array([[2.0, -1.0], [0.3, 0.8]])
print("softmax of two:", softmax(eta)[:, 0].round(6), "  sigmoid:", sigmoid(eta[:, 0] - eta[:, 1]).round(6))
assert np.allclose(softmax(eta)[:, 0], sigmoid(eta[:, 0] - eta[:, 1]))

# Only differences count. Add the same number to all eta_k of a flower, and nothing happens; so of K sets
# of weights one is to spare, and the two-class model, with its one w, has spared it.
scores = model.decision_function(X)
print(f"eta + 7 changes no probability by more than {np.abs(softmax(scores + 7) - p).max():.0e}")
assert np.allclose(softmax(scores + 7), p)

# --- How good -------------------------------------------------------------------------------------
softmax_matrix = confusion_matrix(y, model.predict(X))
sigmoid_matrix = confusion_matrix(y, sigmoids.argmax(axis=1))
print("softmax:       ", softmax_matrix.tolist(), "  right:", np.trace(softmax_matrix), "of 150")
print("three sigmoids:", sigmoid_matrix.tolist(), "  right:", np.trace(sigmoid_matrix), "of 150")
print("they differ on", (model.predict(X) != sigmoids.argmax(axis=1)).sum(), "flowers")
assert np.trace(softmax_matrix) > np.trace(sigmoid_matrix)

# (Counted on the rows they learned from; chapter 8 has a word on that.) Setosa stands apart here too, so
# without a penalty its weights have no end, as in chapter 7, and what you see is where 10,000 steps
# lead. With the usual penalty there is one answer, and a proof of how near it is:
exact = separatrix.LogisticRegression().fit(X, y)
print(f"with a penalty: right {exact.score(X, y) * 150:.0f} of 150, in {exact.n_iter_[0]} steps", end=", ")
print(f"at most {exact.certificate_.gap:.0e} above the minimum, per row")
assert exact.certificate_.gap < 1e-8

# --- The pictures ---------------------------------------------------------------------------------
names = list(iris.target_names)
display = plot_boundary(model, X, y, feature_names=iris.feature_names[2:], class_names=names)
save(display.figure_, "10_boundary")
save(plot_confusion(y, model.predict(X), class_names=names).figure_, "10_confusion")
