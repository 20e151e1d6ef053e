"""separatrix: logistic and linear regression, readable, fast, and honest about the answer.

    from separatrix.scratch import LogisticRegression    the tutorial's gradient descent, to be read
    from separatrix import LogisticRegression            a scikit-learn estimator: the exact optimum, certified
    from separatrix import Columns                       any dataframe as numbers, the first step of a pipeline
    from separatrix import logit, ols                    a statistician's formulas, standard errors and tests
    separatrix fit data.csv --target y                   the same from a terminal

>>> from separatrix import LogisticRegression
>>> LogisticRegression(C=10.0)
LogisticRegression(C=10.0)
"""

from importlib import import_module

TYPE_CHECKING = False  # typing takes longer to import than all else that comes before Ctrl-C is listened to
if TYPE_CHECKING:
    from separatrix import plots, scratch
    from separatrix.columns import Columns
    from separatrix.cross_validation import LogisticRegressionCV
    from separatrix.data.opened import open
    from separatrix.estimators import LogisticRegression
    from separatrix.firth import FirthLogisticRegression
    from separatrix.formula import logit, ols
    from separatrix.inference.separation import detect_separation
    from separatrix.linear import LinearRegression

__version__ = "0.1.0"
__all__ = [
    "Columns",
    "FirthLogisticRegression",
    "LinearRegression",
    "LogisticRegression",
    "LogisticRegressionCV",
    "__version__",
    "detect_separation",
    "logit",
    "ols",
    "open",
    "plots",
    "scratch",
]

_HOMES = {
    "Columns": "separatrix.columns",
    "FirthLogisticRegression": "separatrix.firth",
    "LinearRegression": "separatrix.linear",
    "LogisticRegression": "separatrix.estimators",
    "LogisticRegressionCV": "separatrix.cross_validation",
    "detect_separation": "separatrix.inference.separation",
    "logit": "separatrix.formula",
    "ols": "separatrix.formula",
    "open": "separatrix.data.opened",
}


def __getattr__(name: str) -> object:
    """Public names are imported when they are first used: scikit-learn alone takes a second."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in ("plots", "scratch"):
        return import_module(f"separatrix.{name}")
    raise AttributeError(f"module 'separatrix' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
