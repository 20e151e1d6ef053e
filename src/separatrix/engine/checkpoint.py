"""The last iterate of a fit, kept in a file, so that a fit that was stopped goes on from there."""

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.data.files import replacing
from separatrix.engine.iterate import Solver
from separatrix.errors import FileError
from separatrix.stopping import stop


def take_place(path: Path) -> None:
    """Makes the folder of a checkpoint, before the work, and removes what a fit that was killed had half written there.

    Raises FileError where there can be no such folder.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for partial in path.parent.glob(f".{path.name}.*.partial"):
            partial.unlink(missing_ok=True)
    except OSError as error:
        why = "it is a file" if path.parent.is_file() else error.strerror or error
        raise FileError(f"{path.parent} cannot be the folder of a checkpoint: {why}; name another.") from None


@dataclass(frozen=True)
class Checkpoint:
    """A file, and the fingerprint of the data and arguments whose fit it belongs to."""

    path: Path
    fingerprint: str

    def read(self) -> FloatArray | None:
        """The theta (P, K) that was kept, None where nothing was.

        Raises FileError where it belongs to a fit of other data or with other arguments, or is no checkpoint.
        """
        if not self.path.exists():
            return None
        theta, fingerprint = np.empty(0), ""
        try:
            with np.load(self.path) as kept:
                theta, fingerprint = kept["theta"], str(kept["fingerprint"])
            whole = theta.dtype == np.float64 and bool(np.isfinite(theta).all())
        except (OSError, EOFError, TypeError, ValueError, KeyError, zipfile.BadZipFile):
            whole = False
        if not whole:
            raise FileError(f"{self.path} is no checkpoint of a fit; remove it, or name another folder.")
        if fingerprint != self.fingerprint:
            raise FileError(
                f"{self.path} is of a fit of other data, or with other arguments: go on with those, name another "
                "folder, or remove it to begin anew."
            )
        stop.left = self._left
        return theta

    @property
    def _left(self) -> str:
        return f"the same command goes on from {self.path}"

    def write(self, theta: FloatArray) -> None:
        """Puts theta in the place of what was kept, at once: never is there half a file.

        Raises FileError where the file cannot be written.
        """
        with replacing(self.path) as partial, partial.open("wb") as file:
            np.savez(file, theta=theta, fingerprint=np.array(self.fingerprint))
            file.flush()
            os.fsync(file.fileno())
        stop.left = self._left

    def keeping(self, solver: Solver) -> Solver:
        """The same iterates, each kept before it is passed on."""
        for iterate in solver:
            self.write(iterate.at.theta)
            yield iterate

    def remove(self) -> None:
        """What was kept is no longer needed."""
        self.path.unlink(missing_ok=True)
