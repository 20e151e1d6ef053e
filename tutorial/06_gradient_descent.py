"""Chapter 6. Gradient descent, by hand in six lines; then the class that does the same.

You will see the gradient (error times input), a fit that lands on the true minimum, what a learning
rate too large does, and what scaling a column is worth.
"""

import numpy as np
from pictures import save

import separatrix
from separatrix.equations.links import sigmoid
from separatrix.equations.losses import LogLoss
from separatrix.errors import DivergenceError
from separatrix.plots import plot_losses, plot_sigmoid
from separatrix.scratch import LogisticRegression, largest_safe_rate

# Twelve transactions: the amount in 100 euro, and 1 for a fraud. The large ones tend to be frauds, but
# no amount divides them, so there is a best w and b, and it is finite. (Chapter 7: what if not.)
amount = np.arange(1.0, 13.0)
y = np.array([0, 0, 0, 1, 0, 0, 1, 0, 1, 1, 1, 1])
X = amount[:, None]
Z = np.column_stack([X, np.ones(12)])  # a one for every row: the last weight is b


# --- The gradient ---------------------------------------------------------------------------------
# The mean loss, as a function of theta = (w, b). With p = sigmoid(Z theta), its gradient is the mean
# of (p - y) times the row: error times input. Nudge each weight a little, and compare.
def mean_loss(theta: np.ndarray) -> float:
    return float(LogLoss().value(y, Z @ theta).mean())


theta = np.array([0.3, -1.0])
nudges = 1e-5 * np.eye(2)
by_formula = Z.T @ (sigmoid(Z @ theta) - y) / 12
by_nudging = [(mean_loss(theta + nudge) - mean_loss(theta - nudge)) / 2e-5 for nudge in nudges]
print("gradient:", by_formula.round(6), "  by nudging:", np.round(by_nudging, 6))
assert np.allclose(by_formula, by_nudging, atol=1e-8)

# --- Six lines ------------------------------------------------------------------------------------
# Start at 0, predict, take the error, step against the gradient, repeat.
theta = np.zeros(2)
losses = []
for _ in range(10_000):
    losses.append(mean_loss(theta))
    gradient = Z.T @ (sigmoid(Z @ theta) - y) / 12
    theta = theta - 0.1 * gradient
print("by hand:      w, b =", theta.round(6), "  loss", round(losses[0], 4), "->", round(losses[-1], 6))

# The class does these steps and no others. `separatrix.LogisticRegression` goes another way, by
# Newton's method, and proves how far it is from the minimum at most. C=inf: no penalty (chapter 8).
model = LogisticRegression(learning_rate=0.1, num_iterations=10_000).fit(X, y)
exact = separatrix.LogisticRegression(C=np.inf).fit(X, y)
print(f"scratch:      w, b = [{model.weights_[0]:.6f} {model.bias_:.6f}]")
print(f"the minimum:  w, b = [{exact.coef_[0, 0]:.6f} {exact.intercept_[0]:.6f}]", end="")
print(f"  in {exact.n_iter_[0]} steps, gap below {exact.certificate_.gap:.0e}")
assert np.allclose([*model.weights_, model.bias_], theta, rtol=1e-12)
assert np.allclose([exact.coef_[0, 0], exact.intercept_[0]], theta, atol=1e-6)
print(f"even odds at {-theta[1] / theta[0]:.3f} x 100 euro")  # 6.5, the middle: half are frauds

# --- The learning rate ----------------------------------------------------------------------------
# Too small and it takes for ever. Too large and each step lands on the other slope, higher up than it
# started. Up to 2 / (largest curvature), the loss is certain to fall at every step; the curvature of
# the log loss is at most that of Z'Z / (4 n), so this limit is known before the first step.
safe = largest_safe_rate(Z, LogLoss.curvature_bound)
print(f"safe below {safe:.4f}")
for rate in (0.001, 0.01, 0.1, 0.99 * safe):
    tried = LogisticRegression(learning_rate=rate, num_iterations=10_000).fit(X, y)
    print(f"rate {rate:.3f}: loss {tried.losses_[-1]:.8f} after 10,000 steps")
    assert np.all(np.diff(tried.losses_) < 1e-15)  # 1e-15: at the minimum it only jitters by rounding

# A little above it, luck may carry you. Far above it does not, and the error says what would:
try:
    LogisticRegression(learning_rate=10, num_iterations=100).fit(X, y)
    raise AssertionError("this should have diverged")
except DivergenceError as error:
    print("DivergenceError:", error)

# --- Scaling --------------------------------------------------------------------------------------
# The safe rate is small because amounts around 6 are far from 0. Subtract their mean and divide by
# their spread: the minimum is the same, but the valley is round and a large rate is safe.
scaled = (X - X.mean()) / X.std()
quick = LogisticRegression(learning_rate=1.0, num_iterations=10_000).fit(scaled, y)
slow_steps, quick_steps = (int(np.argmax(m.losses_ < losses[-1] + 1e-6)) for m in (model, quick))
print(f"steps to within 1e-6 of the minimum: {slow_steps} as it is, {quick_steps} scaled")
assert np.isclose(quick.losses_[-1], losses[-1])
assert slow_steps > 20 * quick_steps

# --- The pictures ---------------------------------------------------------------------------------
crawl = LogisticRegression(learning_rate=0.001, num_iterations=10_000).fit(X, y)
display = plot_losses(crawl.losses_, label="rate 0.001")
plot_losses(model.losses_, label="rate 0.1", ax=display.ax_)
plot_losses(quick.losses_, label="rate 1, scaled", ax=display.ax_)
save(display.figure_, "06_losses")
save(plot_sigmoid(model, X, y, class_names=["genuine", "fraud"]).figure_, "06_sigmoid")
