"""Where the chapters keep their pictures: the folder `pictures` beside them, or $SEPARATRIX_PICTURES."""

import os
from pathlib import Path

from matplotlib import pyplot
from matplotlib.figure import Figure


def save(figure: Figure, name: str) -> None:
    """Write the figure as NAME.png, say so, and close it."""
    folder = Path(os.environ.get("SEPARATRIX_PICTURES") or Path(__file__).parent / "pictures")
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.png", dpi=150)
    pyplot.close(figure)
    print(f"picture: {folder.name}/{name}.png")
