"""Chapter 8. The same flowers with scikit-learn's liblinear and with separatrix, compared in earnest.

You will see reports, confusion matrices and ROC curves, how far each model is from the minimum it
claims to find, why liblinear stops short of it, and what a score on the training rows is worth.
"""

import numpy as np
from matplotlib import pyplot
from pictures import save
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import classification_report, confusion_matrix
from sklearn.model_selection import cross_val_score

import separatrix
from separatrix.equations.losses import LogLoss
from separatrix.plots import plot_confusion, plot_roc

iris = load_iris()
X = iris.data[:, :2]
y = (iris.target != 0) * 1

# --- Two models -----------------------------------------------------------------------------------
# Both are asked for the w and b that make  C * (sum of log losses) + |w|^2 / 2  small, with C = 1. The
# second term is the penalty that chapter 7 called for: no w can run away any more.
liblinear = LogisticRegression(solver="liblinear", random_state=0).fit(X, y)
ours = separatrix.LogisticRegression().fit(X, y)
models = {"liblinear": liblinear, "separatrix": ours}

print(classification_report(y, liblinear.predict(X), target_names=["setosa", "not setosa"]))
for name, model in models.items():
    print(name, "confusion matrix:", confusion_matrix(y, model.predict(X)).tolist())
assert confusion_matrix(y, liblinear.predict(X)).tolist() == [[49, 1], [0, 100]]
assert confusion_matrix(y, ours.predict(X)).tolist() == [[50, 0], [0, 100]]


# --- How far from the minimum ---------------------------------------------------------------------
# One flower's difference could be luck. The objective is not: put both answers into it.
def objective(w: np.ndarray, b: float) -> float:
    """C * (sum of log losses) + |w|^2 / 2, with C = 1."""
    return float(LogLoss().value(y, X @ w + b).sum() + w @ w / 2)


w_lib, b_lib, w, b = liblinear.coef_[0], liblinear.intercept_[0], ours.coef_[0], ours.intercept_[0]
print(f"liblinear:  w = {w_lib.round(3)}, b = {b_lib:.3f}, objective {objective(w_lib, b_lib):.4f}")  # 27.5262
print(f"separatrix: w = {w.round(3)}, b = {b:.3f}, objective {objective(w, b):.4f}")  # 24.6079
assert objective(w_lib, b_lib) - objective(w, b) > 2.9

# Is that the minimum, or only less? The certificate is a proof in numbers: no w and b whatever have an
# objective lower than ours by more than this. (It counts per row, and there are 150.)
gap = 150 * ours.certificate_.gap
print(f"separatrix is at most {gap:.0e} above the minimum, after {ours.n_iter_[0]} steps")
assert gap < 1e-9

# --- Why liblinear is off -------------------------------------------------------------------------
# It is a good solver, of another problem: it takes b for one more weight, of a column of ones, and so
# penalises b too. Give separatrix that column and no b of its own, and the two agree ..
with_ones = np.column_stack([X, np.ones(150)])
other_problem = separatrix.LogisticRegression(fit_intercept=False).fit(with_ones, y)
w, b = other_problem.coef_[0, :2], other_problem.coef_[0, 2]
print(f"liblinear, once more:   w = {w_lib.round(3)}, b = {b_lib:.3f}")
print(f"separatrix on its terms: w = {w.round(3)}, b = {b:.3f}")
assert np.allclose([*w, b], [*w_lib, b_lib], atol=2e-4)

# .. and of that problem, with b^2 / 2 added, liblinear's answer is the minimum to seven digits.
above = (objective(w_lib, b_lib) + b_lib**2 / 2) - (objective(w, b) + b**2 / 2)
print(f"of its own problem, liblinear is {above:.0e} above the minimum")
assert 0 <= above < 1e-6

# A penalty on b pulls the boundary towards the origin, where no flower is. So the answer depends on
# where the zero of the ruler is. Move it to the mean flower, and only liblinear changes its mind:
for name, model in models.items():
    moved = clone(model).fit(X - X.mean(axis=0), y)
    print(f"{name:>10}: w = {model.coef_[0].round(3)}, and after moving the zero {moved.coef_[0].round(3)}")

# --- On which rows --------------------------------------------------------------------------------
# So far every score was taken on the rows the model has learned from. Ten times, hold a tenth back:
for name, model in models.items():
    held_out = cross_val_score(model, X, y, cv=10).mean()
    print(f"{name:>10}: accuracy {model.score(X, y):.4f} on its own rows, {held_out:.4f} on rows held back")

# Here that changes nothing, these flowers are easy. Elsewhere it can be all there is: learn 90 columns
# of noise and labels by coin toss, where there is nothing to learn, and score that in both ways.
rng = np.random.default_rng(0)
noise, coin = rng.normal(size=(100, 90)), rng.integers(0, 2, size=100)
own = separatrix.LogisticRegression().fit(noise, coin).score(noise, coin)
held_out = cross_val_score(separatrix.LogisticRegression(), noise, coin, cv=10).mean()
print(f"coin tosses: accuracy {own:.2f} on its own rows, {held_out:.2f} on rows held back")
assert own > 0.9
assert 0.35 < held_out < 0.65

# --- The pictures ---------------------------------------------------------------------------------
figure, axes = pyplot.subplots(1, 2, figsize=(9, 4), layout="constrained")
for ax, (name, model) in zip(axes, models.items(), strict=True):
    plot_confusion(y, model.predict(X), class_names=["setosa", "not setosa"], ax=ax).ax_.set_title(name)
save(figure, "08_confusion")
display = plot_roc(y, ours.decision_function(X), label="separatrix")
other = plot_roc(y, liblinear.decision_function(X), label="liblinear", ax=display.ax_)
print(f"area under the ROC curve: separatrix {display.auc:.4f}, liblinear {other.auc:.4f}")
save(display.figure_, "08_roc")
