"""Chapter 9. Linear or logistic regression: five differences, each with a number.

You will see a line fitted to 0/1 labels predict less than 0 and more than 1, one harmless far point
push its threshold aside, and the metrics that belong to each of the two models.
"""

import numpy as np
from matplotlib import pyplot
from pictures import save
from sklearn import metrics
from sklearn.datasets import load_iris

from separatrix import LinearRegression, LogisticRegression
from separatrix.equations.links import logit, sigmoid

# --- 1. Purpose -----------------------------------------------------------------------------------
# Linear regression predicts a number: here, the width of a petal in cm from its length.
iris = load_iris()
petal_length, petal_width = iris.data[:, [2]], iris.data[:, 3]
line = LinearRegression().fit(petal_length, petal_width)
print(f"petal width = {line.coef_[0]:.3f} length {line.intercept_:+.3f}")

# Logistic regression predicts which of two classes. Twelve doses of a drug, and who recovered:
dose = np.arange(1.0, 13.0)[:, None]
recovered = np.array([0, 0, 0, 0, 1, 0, 1, 0, 1, 1, 1, 1])
curve = LogisticRegression(C=np.inf).fit(dose, recovered)  # no penalty: these classes overlap

# --- 2. Output ------------------------------------------------------------------------------------
# The labels are numbers, so a line can be fitted to them. But what is a probability of 1.08?
wrong_tool = LinearRegression().fit(dose, recovered)
straight, p = wrong_tool.predict(dose), curve.predict_proba(dose)[:, 1]
print(f"dose 1 and 12, by the line: {straight[0]:.2f} and {straight[-1]:.2f}")  # -0.08 and 1.08
print(f"dose 1 and 12, by the curve: {p[0]:.2f} and {p[-1]:.2f}")  # 0.02 and 0.98
assert straight[0] < 0 < p[0] < p[-1] < 1 < straight[-1]

# --- 3. Kind of model -----------------------------------------------------------------------------
# The line is w.x + b. The curve is sigmoid(w.x + b), a model of a probability; a threshold, for instance
# 1/2, makes a classifier of it. Line and curve both pass 1/2 at dose 6.5. Now one more patient, with dose
# 60, recovers. That is no news to the curve. The line had predicted 6.11, so it must bend.
print(f"dose 60, by the line: {wrong_tool.predict([[60]])[0]:.2f}, by the curve: {curve.predict_proba([[60]])[0, 1]}")
more_doses, more_recovered = np.vstack([dose, [60]]), np.append(recovered, 1)
new_line = LinearRegression().fit(more_doses, more_recovered)
new_curve = LogisticRegression(C=np.inf).fit(more_doses, more_recovered)

line_at = [(0.5 - model.intercept_) / model.coef_[0] for model in (wrong_tool, new_line)]
curve_at = [-model.intercept_[0] / model.coef_[0, 0] for model in (curve, new_curve)]
right = [int(np.sum((model.predict(dose) > 0.5) == recovered)) for model in (wrong_tool, new_line)]
print(f"the line passes 1/2 at {line_at[0]:.3f}, then at {line_at[1]:.3f}")  # 6.500, then 7.917
print(f"the curve passes 1/2 at {curve_at[0]:.3f}, then at {curve_at[1]:.3f}")  # 6.500, both times
print(f"the line had {right[0]} of the twelve right, then {right[1]}")  # 10, then 9
assert line_at[1] - line_at[0] > 1
assert abs(curve_at[1] - curve_at[0]) < 1e-6
assert right == [10, 9]

# --- 4. Assumptions -------------------------------------------------------------------------------
# Linear: the mean of y is linear in x; and, for its error bars, the residuals are normal and have the
# same variance everywhere. Those of 0/1 labels can't: their variance is p (1 - p), 1/4 at most.
rng = np.random.default_rng(0)
x = rng.uniform(-4, 4, size=(100_000, 1))
label = (rng.uniform(size=100_000) < sigmoid(x[:, 0])) * 1
residual = label - sigmoid(x[:, 0])
middle, edge = np.abs(x[:, 0]) < 0.5, np.abs(x[:, 0]) > 3.5
print(f"variance of the residuals: {residual[middle].var():.3f} in the middle, {residual[edge].var():.3f} at the edges")
assert residual[middle].var() > 10 * residual[edge].var()

# Logistic: the log-odds are linear in x. One more unit of dose adds w to the log-odds and multiplies the
# odds by exp(w), at any dose. Nothing is assumed to be normal.
steps = np.diff(logit(p))
print(f"each dose adds {steps.min():.4f} to {steps.max():.4f} to the log-odds: odds ratio {np.exp(steps[0]):.3f}")
assert np.allclose(steps, curve.coef_[0, 0])

# --- 5. Metrics -----------------------------------------------------------------------------------
# Of a number: how far off. RMSE is in the unit of y; R2 is the share of the variance accounted for.
predicted_width = line.predict(petal_length)
mse = metrics.mean_squared_error(petal_width, predicted_width)
r2 = metrics.r2_score(petal_width, predicted_width)
print(f"petals: MSE {mse:.4f} cm2   RMSE {np.sqrt(mse):.4f} cm   R2 {r2:.3f}")

# Of a class: how often right, and in what way wrong. The area under the ROC curve needs no threshold:
# it is the chance that one who recovered gets the higher probability than one who did not.
guess = curve.predict(dose)
print(f"doses: accuracy {metrics.accuracy_score(recovered, guess):.3f}", end="   ")
print(f"precision {metrics.precision_score(recovered, guess):.3f}", end="   ")
print(f"recall {metrics.recall_score(recovered, guess):.3f}   F1 {metrics.f1_score(recovered, guess):.3f}")
auc = metrics.roc_auc_score(recovered, p)
pairs = p[recovered == 1][:, None] > p[recovered == 0]
print(f"doses: ROC AUC {auc:.3f}, pairs in the right order: {pairs.sum()} of {pairs.size}")
assert np.isclose(auc, pairs.mean())

# --- The picture ----------------------------------------------------------------------------------
figure, ax = pyplot.subplots(figsize=(6, 4), layout="constrained")
grid = np.linspace(-2, 62, 500)[:, None]
ax.axhline(0.5, color="#94a4a2", lw=0.8, ls="dotted")
ax.plot(grid, wrong_tool.predict(grid), color="#3f90da", ls="dashed", label="line, twelve points")
ax.plot(grid, new_line.predict(grid), color="#3f90da", label="line, with dose 60")
ax.plot(grid, new_curve.predict_proba(grid)[:, 1], color="#a3004f", label="logistic, with or without")
ax.scatter(more_doses, more_recovered, color="#23272e", zorder=3, s=20)
ax.set(ylim=(-0.2, 1.4), xlabel="dose", ylabel="P(recovered)")
ax.legend(frameon=False, loc="lower right")
ax.spines[["top", "right"]].set_visible(False)
save(figure, "09_line_and_curve")
