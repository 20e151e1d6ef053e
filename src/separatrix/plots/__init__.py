"""The pictures, drawn with Matplotlib in the manner of scikit-learn's displays.

A display holds the arrays of one picture; its `plot(ax=None)` draws them and sets `ax_` and `figure_`. Each
`plot_...` function builds the display from a model or from data, draws it, and returns it.

Colours mean the same everywhere: a class keeps its colour, and the accent is what the model says.
"""

from separatrix.plots.choice import ChoiceDisplay
from separatrix.plots.curves import LossDisplay, SigmoidDisplay
from separatrix.plots.distances import DistanceDisplay
from separatrix.plots.evaluation import CalibrationDisplay, ConfusionDisplay, RocDisplay
from separatrix.plots.plane import BoundaryDisplay, ProbabilityDisplay
from separatrix.plots.points import PointsDisplay

__all__ = [
    "BoundaryDisplay",
    "CalibrationDisplay",
    "ChoiceDisplay",
    "ConfusionDisplay",
    "DistanceDisplay",
    "LossDisplay",
    "PointsDisplay",
    "ProbabilityDisplay",
    "RocDisplay",
    "SigmoidDisplay",
    "plot_boundary",
    "plot_confusion",
    "plot_distances",
    "plot_losses",
    "plot_points",
    "plot_probability",
    "plot_roc",
    "plot_sigmoid",
]

plot_points = PointsDisplay.from_data
plot_boundary = BoundaryDisplay.from_estimator
plot_probability = ProbabilityDisplay.from_estimator
plot_distances = DistanceDisplay.from_estimator
plot_sigmoid = SigmoidDisplay.from_estimator
plot_losses = LossDisplay.from_losses
plot_confusion = ConfusionDisplay.from_predictions
plot_roc = RocDisplay.from_predictions
