"""The hyperplane w.x + b = 0 and the products with X that everything is made of. The one dense/sparse switch.

    eta              = X w + b              linear predictor: which side, and how far
    margin           = y eta                y in {-1, +1}; positive where the prediction is right
    signed distance  = (X w + b) / |w|      in the units of X
    X'r                                     gradients
    X' diag(h) X                            curvatures

X is (rows, p), dense of any layout or scipy sparse; w is (p,) or (p, K), b a number or (K,).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from separatrix.arrays import FloatArray, Matrix
from separatrix.errors import ArgumentError


def linear_predictor(X: Matrix, w: ArrayLike, b: ArrayLike = 0.0) -> FloatArray:
    """eta = X w + b, (rows,) or (rows, K).

    >>> linear_predictor([[1.0, 2.0]], [3.0, 4.0], 5.0)
    array([16.])
    """
    X = X if sparse.issparse(X) else np.asarray(X)
    return np.asarray(X @ np.asarray(w)) + np.asarray(b)


def margin(y: ArrayLike, eta: ArrayLike) -> FloatArray:
    """The tutorial's t = y (w.x + b) for y in {-1, +1}: positive exactly where the prediction is right.

    >>> margin([1, -1, 1], [2.0, -3.0, -4.0])
    array([ 2.,  3., -4.])
    """
    return np.multiply(y, eta)


def signed_distance(X: Matrix, w: ArrayLike, b: float = 0.0) -> FloatArray:
    """Distance of each row from the hyperplane, (rows,): (w.x + b) / |w|, positive on the side w points to.

    Raises ArgumentError for w = 0, which is normal to no plane.

    >>> signed_distance([[3.0, 4.0], [0.0, 0.0]], w=[3.0, 4.0], b=-5.0)
    array([ 4., -1.])
    """
    w = np.asarray(w, dtype=float)
    scale = np.abs(w).max(initial=0.0)
    if scale == 0:
        raise ArgumentError("w is all zero, and a zero vector is normal to no hyperplane: no distance exists.")
    # Scaled first, so that |w| neither overflows nor underflows.
    return linear_predictor(X, w / scale, b / scale) / np.linalg.norm(w / scale)


def back_project(X: Matrix, r: FloatArray) -> FloatArray:
    """X'r: (rows, K) of residuals to the (p, K) gradient they add up to.

    >>> back_project(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0], [1.0]]))
    array([[4.],
           [6.]])
    """
    return np.asarray(X.T @ r)


def weighted_gram(X: Matrix, h: FloatArray, ones: int = 0) -> FloatArray:
    """[X 1]' diag(h) [X 1] for h >= 0, with so many columns of ones beside X (0 or 1): (p + ones, p + ones).

    One symmetric product of sqrt(h) [X 1] with itself.

    >>> weighted_gram(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 0.0]), ones=1)
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])
    """
    root = np.sqrt(h)[:, None]
    if sparse.issparse(X):
        half = sparse.hstack([X, np.ones((X.shape[0], ones))], format="csr").multiply(root).tocsr()
        return (half.T @ half).toarray()
    half = np.empty((X.shape[0], X.shape[1] + ones))
    np.multiply(X, root, out=half[:, : X.shape[1]])
    half[:, X.shape[1] :] = root
    return half.T @ half


def squared(X: Matrix) -> Matrix:
    """X with every entry squared; X' diag(h) X has the diagonal squared(X)' h.

    >>> squared(np.array([[1.0, -2.0]]))
    array([[1., 4.]])
    """
    return X.power(2) if sparse.issparse(X) else X * X
