"""The last iterate of a fit, kept in a file, so that a fit that was stopped goes on from there."""

import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from msgspec import json

from separatrix.arrays import FloatArray
from separatrix.data.reading.files import remove_left, replacing
from separatrix.engine.iterate import Solver
from separatrix.errors import FileError
from separatrix.stopping import stop


def take_place(path: Path) -> None:
    """Makes the folder of a checkpoint, before the work, and removes what a fit that was killed had half written there.

    Raises FileError where there can be no such folder.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_left(path)
    except OSError as error:
        why = "it is a file" if isinstance(error, FileExistsError) else error.strerror or error
        raise FileError(f"{path.parent} cannot be the folder of a checkpoint: {why}; name another.") from None


@dataclass(frozen=True)
class Checkpoint:
    """A file, and the fingerprint of the data and arguments whose fit it belongs to: what each is called, and a text
    that tells whether it is the same."""

    path: Path
    fingerprint: Mapping[str, str]

    def read(self, shape: tuple[int, ...]) -> FloatArray | None:
        """The theta of this shape that was kept, None where nothing was.

        Raises FileError where it belongs to a fit of other data or with other arguments, or is no checkpoint.
        """
        if not self.path.exists():
            return None
        theta, fingerprint = np.empty(0), {}
        try:
            with np.load(self.path) as kept:
                theta, fingerprint = kept["theta"], json.decode(str(kept["fingerprint"]), type=dict[str, str])
            whole = theta.dtype == np.float64 and bool(np.isfinite(theta).all())
        except (OSError, EOFError, TypeError, ValueError, KeyError, zipfile.BadZipFile):
            whole = False
        if not whole:
            raise FileError(f"{self.path} is no checkpoint of a fit; remove it, or name another folder.")
        remedy = "go on with those, name another folder, or remove it to begin anew."
        for name in [*self.fingerprint, *fingerprint]:
            there, here = (each.get(name, "absent") for each in (fingerprint, self.fingerprint))
            if there != here:
                raise FileError(
                    f"{self.path} is of a fit of other data, or with other arguments ({name}: {there} there, {here} "
                    f"here): {remedy}"
                )
        if theta.shape != shape:
            raise FileError(f"{self.path} is of a fit of {theta.shape} coefficients, and this has {shape}: {remedy}")
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
            np.savez(file, theta=theta, fingerprint=np.array(json.encode(self.fingerprint).decode()))
            file.flush()
            os.fsync(file.fileno())
        stop.left = self._left

    def keeping(self, solver: Solver) -> Solver:
        """The same iterates, each kept before it is passed on."""
        for iterate in solver:
            self.write(iterate.at.theta)
            yield iterate

    def of_fewer(self) -> "Checkpoint":
        """That of the same fit without some of the columns, in a file beside."""
        return replace(self, path=self.path.with_name(f"{self.path.stem}-of-fewer{self.path.suffix}"))

    def remove(self) -> None:
        """What was kept is no longer needed."""
        if self.path.exists():
            self.path.unlink()
            self.of_fewer().remove()
