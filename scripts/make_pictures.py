"""Draw the README's picture again: python scripts/make_pictures.py

Most of the few seconds it takes go into the 300,000 steps of gradient descent.
"""

import warnings
from io import BytesIO
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from sklearn.datasets import load_iris

from separatrix.errors import SeparationWarning
from separatrix.plots import plot_distances, plot_losses, plot_probability
from separatrix.scratch import LogisticRegression

PICTURE = Path(__file__).parents[1] / "docs" / "pictures" / "iris_boundary.png"
CHOSEN = [15, 22, 107, 110]  # two rows on each side, whose perpendiculars do not cross others' numbers


def main() -> None:
    """Fit the tutorial's model on two columns of iris, draw both panels, save."""
    iris = load_iris()
    X, y = iris.data[:, :2], (iris.target != 0).astype(int)
    model = LogisticRegression(learning_rate=0.1, num_iterations=300_000)
    with warnings.catch_warnings(action="ignore", category=SeparationWarning):  # the picture shows it
        model.fit(X, y)
    figure = Figure(figsize=(10, 4), dpi=160)
    figure.set_layout_engine("constrained", wspace=0.06)
    left, right = figure.subplots(1, 2, width_ratios=[1.37, 1])
    names = {"feature_names": iris.feature_names[:2], "class_names": ["setosa", "not setosa"]}
    plot_distances(model, X, y, CHOSEN, **names, ax=left)
    plot_probability(model, X, y, **names, ax=left)
    left.set_aspect("equal", adjustable="box")
    plot_losses(model.losses_, ax=right)
    head(left, "Decision boundary, with distances in cm")
    head(right, "Mean log loss of gradient descent")
    save(figure)


def head(ax: Axes, text: str) -> None:
    """A panel's title, flush left."""
    ax.set_title(text, loc="left", size=11, weight="bold", color="#23272e", pad=24)


def save(figure: Figure) -> None:
    """Write the picture with a palette of 256 colours, a third of the size of one without."""
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    buffer = BytesIO()
    figure.savefig(buffer)
    Image.open(buffer).convert("RGB").quantize(256).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
