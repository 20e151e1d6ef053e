r"""The tutorial's system, to be read: logistic, softmax and linear regression by plain gradient descent.

In its order and its words:

    hyperplane      w.x + b = 0, its normal w and intercept b
    distance        (w.x + b) / |w|, signed: which side of the hyperplane, and how far
    margin          t = y (w.x + b), y in {-1, +1}: positive where the prediction is right
    sigmoid         p = 1 / (1 + exp(-(w.x + b)))
    loss            the mean of log(1 + exp(-t)) over the n points
    descent         w <- w - learning_rate * gradient of the loss

    >>> from sklearn.datasets import load_iris
    >>> iris = load_iris()
    >>> X, y = iris.data[:, 2:], (iris.target == 2) * 1
    >>> model = LogisticRegression(learning_rate=0.1, num_iterations=20_000).fit(X, y)
    >>> round(float((model.predict(X) == y).mean()), 3)
    0.953

These classes penalise nothing and go exactly as far as they are told: for the optimum, `separatrix.LogisticRegression`.
"""

import warnings
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from separatrix.arguments import check_squares
from separatrix.arrays import FloatArray
from separatrix.equations.hyperplane import linear_predictor, signed_distance
from separatrix.equations.links import log1pexp, sigmoid, softmax
from separatrix.equations.losses import LogLoss, SoftmaxLoss, SquaredLoss
from separatrix.errors import (
    ArgumentError,
    ConvergenceWarning,
    DivergenceError,
    NotFittedError,
    SeparationWarning,
    TargetError,
    listing,
    outside,
)
from separatrix.points import as_labels, as_numbers, as_points, distinct

MOST_STEPS = 10**9  # whose losses take 8 GB


class _GradientDescent:
    """What the three models share: how they are set up, and the linear predictor w.x + b.

    Parameters: learning_rate > 0; num_iterations >= 1; fit_intercept=False for a plane through the origin;
    verbose=True to print the loss ten times on the way.
    """

    weights_: FloatArray
    bias_: Any
    losses_: FloatArray

    def __init__(
        self,
        learning_rate: float = 0.1,
        num_iterations: int = 10_000,
        fit_intercept: bool = True,
        verbose: bool = False,
    ) -> None:
        self.learning_rate = learning_rate
        self.num_iterations = num_iterations
        self.fit_intercept = fit_intercept
        self.verbose = verbose

    def __repr__(self) -> str:
        settings = (f"{name}={value!r}" for name, value in vars(self).items() if not name.endswith("_"))
        return f"{type(self).__name__}({', '.join(settings)})"

    def _eta(self, X: ArrayLike) -> FloatArray:
        if not hasattr(self, "weights_"):
            raise NotFittedError(f"this {type(self).__name__} has learned nothing yet: call fit(X, y) first.")
        X = as_points(X)
        if X.shape[1] != len(self.weights_):
            raise ArgumentError(f"X has {X.shape[1]} columns, but fit saw {len(self.weights_)}.")
        return linear_predictor(X, self.weights_, self.bias_)

    def _keep(self, theta: FloatArray) -> None:
        """Splits theta into the weights and, in its last row, the bias."""
        bias = theta[-1] if self.fit_intercept else np.zeros(theta.shape[1:])
        self.weights_ = theta[:-1] if self.fit_intercept else theta
        self.bias_ = float(bias) if np.ndim(bias) == 0 else bias


class LogisticRegression(_GradientDescent):
    """Two classes: the hyperplane with the least mean log(1 + exp(-t)), t = y (w.x + b).

    After fit: classes_ (2,), weights_ (p,), bias_, losses_ (num_iterations,), the mean loss before each step.

    >>> model = LogisticRegression(learning_rate=0.5, num_iterations=100).fit([[0], [1], [2], [3]], [0, 1, 0, 1])
    >>> model.predict([[-1.0], [4.0]])
    array([0, 1])
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> "LogisticRegression":
        """Learns w and b from points X (n, p) and labels y (n,) of any two values.

        Warns with SeparationWarning when the classes are separable; raises DivergenceError when the learning rate is
        too large, TargetError when y has not exactly two values, CellError for NaN or infinity.
        """
        X, y = as_points(X), as_labels(X, y)
        classes = distinct(y)
        if len(classes) > 2:
            many = f"{len(classes)} values ({listing(classes)})"
            raise TargetError(f"y has {many}: use SoftmaxRegression, or pick one against the rest.")
        sign = np.where(y == classes[1], 1.0, -1.0)
        Z = with_ones(X) if self.fit_intercept else X
        A = -sign[:, None] * Z  # row i is -y_i (x_i, 1), so that A theta = -t
        mean_A = A / len(A)

        def gradient(theta: FloatArray) -> FloatArray:
            return sigmoid(A.dot(theta)).dot(mean_A)

        def mean_losses(path: FloatArray) -> FloatArray:
            return log1pexp(path @ A.T).mean(axis=1)

        theta, self.losses_ = descend(self, gradient, mean_losses, Z, np.zeros(Z.shape[1]), LogLoss.curvature_bound)
        self.classes_ = classes
        self._keep(theta)
        if np.all(A @ theta < 0):
            warn_of_separation()
        return self

    def decision_function(self, X: ArrayLike) -> FloatArray:
        """w.x + b of each point, (n,): positive on the side of classes_[1]."""
        return self._eta(X)

    def distance(self, X: ArrayLike) -> FloatArray:
        """(w.x + b) / |w| of each point, (n,): its signed distance from the hyperplane, in the units of X."""
        self._eta(X)  # checks X
        return signed_distance(as_points(X), self.weights_, self.bias_)

    def predict_proba(self, X: ArrayLike) -> FloatArray:
        """P(classes_[0]) and P(classes_[1]) of each point, (n, 2)."""
        eta = self._eta(X)
        return np.column_stack([sigmoid(-eta), sigmoid(eta)])

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The class on whose side each point lies, (n,)."""
        right_side = self._eta(X) > 0
        return self.classes_[right_side.astype(int)]


class SoftmaxRegression(_GradientDescent):
    """K classes: one (w_k, b_k) each, P(y = k) = softmax(x'W + b)_k, the mean of -log P(y) made small.

    After fit: classes_ (K,), weights_ (p, K), bias_ (K,), losses_ (num_iterations,).

    >>> model = SoftmaxRegression(num_iterations=500).fit([[0.0], [1.0], [2.0], [3.0]], ["a", "b", "a", "c"])
    >>> model.predict_proba([[0.0]]).shape
    (1, 3)
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> "SoftmaxRegression":
        """Learns W and b from points X (n, p) and labels y (n,); warns and raises as LogisticRegression.fit does."""
        X, y = as_points(X), as_labels(X, y)
        classes = distinct(y)
        k = np.searchsorted(classes, y)
        Z = with_ones(X) if self.fit_intercept else X
        loss = SoftmaxLoss()

        def gradient(theta: FloatArray) -> FloatArray:
            return Z.T @ loss.gradient(k, Z @ theta) / len(Z)

        def mean_losses(path: FloatArray) -> FloatArray:
            return np.array([loss.value(k, Z @ theta).mean() for theta in path])

        start = np.zeros((Z.shape[1], len(classes)))
        theta, self.losses_ = descend(self, gradient, mean_losses, Z, start, loss.curvature_bound)
        self.classes_ = classes
        self._keep(theta)
        if np.all(loss.margin(k, Z @ theta) > 0):
            warn_of_separation()
        return self

    def decision_function(self, X: ArrayLike) -> FloatArray:
        """x'W + b of each point, (n, K); the largest entry decides."""
        return self._eta(X)

    def distance(self, X: ArrayLike) -> FloatArray:
        """Signed distance of each point from each class's hyperplane w_k.x + b_k = 0, (n, K)."""
        self._eta(X)  # checks X
        planes = zip(self.weights_.T, self.bias_, strict=True)
        return np.column_stack([signed_distance(as_points(X), w, b) for w, b in planes])

    def predict_proba(self, X: ArrayLike) -> FloatArray:
        """P(y = k) of each point, (n, K), rows that sum to 1."""
        return softmax(self._eta(X))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The most probable class of each point, (n,)."""
        most_probable = self._eta(X).argmax(axis=1)
        return self.classes_[most_probable]


class LinearRegression(_GradientDescent):
    """A number: the plane y = w.x + b with the least mean of (w.x + b - y)^2 / 2.

    After fit: weights_ (p,), bias_, losses_ (num_iterations,).

    >>> model = LinearRegression(learning_rate=0.2, num_iterations=2000).fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
    >>> model.predict([[10.0]]).round(6)
    array([21.])
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> "LinearRegression":
        """Learns w and b from points X (n, p) and numbers y (n,); raises as LogisticRegression.fit does."""
        X, y = as_points(X), as_labels(X, as_numbers(y))
        check_squares(y)
        Z = with_ones(X) if self.fit_intercept else X
        loss = SquaredLoss()

        def gradient(theta: FloatArray) -> FloatArray:
            return loss.gradient(y, Z @ theta) @ Z / len(Z)

        def mean_losses(path: FloatArray) -> FloatArray:
            return loss.value(y, path @ Z.T).mean(axis=1)

        theta, self.losses_ = descend(self, gradient, mean_losses, Z, np.zeros(Z.shape[1]), curvature_bound=1.0)
        self._keep(theta)
        return self

    def predict(self, X: ArrayLike) -> FloatArray:
        """w.x + b of each point, (n,)."""
        return self._eta(X)


def descend(
    model: _GradientDescent,
    gradient: Callable[[FloatArray], FloatArray],
    mean_losses: Callable[[FloatArray], FloatArray],
    Z: FloatArray,
    theta: FloatArray,
    curvature_bound: float,
) -> tuple[FloatArray, FloatArray]:
    """theta <- theta - learning_rate * gradient(theta), num_iterations times: the last theta, all losses.

    The path is kept for some hundred steps at a time, and its losses taken together: the same numbers, sooner.
    """
    learning_rate, steps = checked_settings(model)
    losses = np.empty(steps)
    stride = int(np.clip(2**18 // len(Z), 1, min(1000, max(steps // 10, 1))))
    with np.errstate(over="ignore", invalid="ignore"):  # a run that diverges is reported below, by name
        for first in range(0, steps, stride):
            last = min(first + stride, steps)
            path = np.empty((last - first, *theta.shape))
            for i in range(len(path)):
                path[i] = theta
                theta = theta - learning_rate * gradient(theta)
            losses[first:last] = mean_losses(path)
            if not np.isfinite(losses[last - 1]):
                losses = losses[:last]
                break
            if model.verbose and 10 * first // steps != 10 * last // steps:
                print(f"iteration {last:>9,}   mean loss {losses[last - 1]:.6g}")
    report_rising(losses, learning_rate, Z, curvature_bound)
    return theta, losses


def largest_safe_rate(Z: FloatArray, curvature_bound: float) -> float:
    """2 / L, L the largest eigenvalue of the bound c Z'Z / n on the curvature: below it, the loss only falls.

    >>> round(largest_safe_rate(np.array([[2.0], [2.0]]), 0.25), 12)
    2.0
    """
    root = np.linalg.norm(Z, 2) / np.sqrt(len(Z))
    return float(2.0 / curvature_bound / root / root)  # the square may be beyond numbers


def report_rising(losses: FloatArray, learning_rate: float, Z: FloatArray, curvature_bound: float) -> None:
    """Raises if the loss ended above where it began; warns if it ended above the lowest it had been."""
    began, lowest, ended = losses[0], losses.min(), losses[-1]
    if ended <= lowest * (1 + 1e-6):
        return
    largest = largest_safe_rate(Z, curvature_bound)
    safe = f"The largest safe rate for this data is {largest:.4g}; or scale the columns first."
    if not largest:
        safe = "The columns are so large that no rate is small enough: scale them first."
    if not ended <= began:  # above it, or no number at all
        raise DivergenceError(
            f"learning_rate={learning_rate:g} is too large: the mean loss went from {began:.4g} to {ended:.4g} in "
            f"{len(losses):,} iterations. {safe}"
        )
    if learning_rate <= largest:
        return  # a loss next to 0 goes up and down by its rounding alone
    warnings.warn(
        f"the loss went up and down and ended at {ended:.4g}, above the {lowest:.4g} it had reached: "
        f"learning_rate={learning_rate:g} is too large. {safe}",
        ConvergenceWarning,
        stacklevel=outside(),
    )


def warn_of_separation() -> None:
    """Says once that the minimum does not exist."""
    warnings.warn(
        "the classes are separable: this hyperplane has every point on its right side, so the loss has no minimum and "
        "the weights grow without end, the longer the larger. The predictions hold; the size of the weights, and with "
        "it every probability, depends on num_iterations.",
        SeparationWarning,
        stacklevel=outside(),
    )


def checked_settings(model: _GradientDescent) -> tuple[float, int]:
    """learning_rate and num_iterations, or an ArgumentError."""
    rate, steps = model.learning_rate, model.num_iterations
    if not (isinstance(rate, Real) and 0 < rate < np.inf):
        raise ArgumentError(f"learning_rate={rate!r} must be a number above 0.")
    if not (isinstance(steps, Real) and 1 <= steps <= MOST_STEPS and steps == int(steps)):
        most = f"at most {MOST_STEPS:,}, as the loss of each is kept"
        raise ArgumentError(f"num_iterations={steps!r} must be a whole number, at least 1, and {most}.")
    return float(rate), int(steps)


def with_ones(X: FloatArray) -> FloatArray:
    """X with a column of ones, whose weight is the bias b."""
    return np.column_stack([X, np.ones(len(X))])
