"""scikit-learn's door to choosing the penalty: by folds, or by leaving each row out in turn.

The fits are `separatrix.engine.paths.path`, leave-one-out is `separatrix.engine.paths.leave_out`; here they are scored.
"""

from separatrix.cross_validation.estimator import LogisticRegressionCV

__all__ = ["LogisticRegressionCV"]
