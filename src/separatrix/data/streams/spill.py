"""Files for arrays that do not fit in memory: they go in once, in any order, and come back as often as asked.

They have no names, so the system takes them back when the process ends, however it ends.
"""

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from separatrix.data.block import Block

SHARE = 0.5  # of the free disk: what would take more is not kept
ALIGNED = 64  # bytes: where each array begins
FILES = 4  # as systems let one thread at a time write to a file, and the others wait

Arrays = Sequence[NDArray | None]


@dataclass(frozen=True)
class Record:
    """In which file, and where, some arrays lie one behind the other, and the type and shape of each; None stands for
    None."""

    file: Any
    start: int
    size: int
    kinds: tuple[tuple[np.dtype, tuple[int, ...]] | None, ...]


@dataclass
class Spill:
    """Numbered records of arrays in files, which threads write and read at the same time.

    There are no files where there is no room: then nothing is kept. `complete` is for the owner to set, once all is
    there.
    """

    files: list[Any]
    size: float = 0.0
    records: dict[int, Record] = field(default_factory=dict)
    complete: bool = False
    ends: list[int] = field(default_factory=lambda: [0] * FILES)
    lock: Lock = field(default_factory=Lock)
    buffers: list[NDArray[np.uint8]] = field(default_factory=list)

    def write(self, number: int, arrays: Arrays) -> None:
        """Keeps a record. A disk that is full after all ends the keeping, and not the work."""
        files, size = self.files, sum(map(room, arrays))
        if not files:
            return
        place = number % FILES
        file = files[place]
        with self.lock:
            start = self.ends[place]
            self.ends[place] += size
        at = last = start
        try:
            for array in arrays:
                if array is not None and array.size:
                    _write_at(file, np.ascontiguousarray(array), at, self.lock)
                    last = at + array.nbytes
                at += room(array)
        except OSError:
            self.give_up()
        else:
            kinds = tuple(None if array is None else (array.dtype, array.shape) for array in arrays)
            self.records[number] = Record(file, start, last - start, kinds)

    @contextmanager
    def read(self, number: int) -> Iterator[list[Any]]:
        """The arrays of a record, or None, for as long as the context lasts: after it their memory is used again."""
        record = self.records[number]
        buffer = self.buffers.pop() if self.buffers else np.empty(0, np.uint8)
        if len(buffer) < record.size:
            buffer = np.empty(record.size, np.uint8)
        _read_at(record.file, buffer[: record.size], record.start, self.lock)
        arrays, at = [], 0
        for kind in record.kinds:
            arrays.append(None if kind is None else np.ndarray(kind[1], kind[0], buffer, min(at, len(buffer))))
            at += room(arrays[-1])
        yield arrays
        self.buffers.append(buffer)

    def __reduce__(self) -> Any:
        """Sent to another process it arrives empty: what it kept can be read again."""
        return empty, (self.size,)

    def give_up(self) -> None:
        """Keeps nothing any more, and gives the disk back. The files stay open, as other threads may be writing."""
        with self.lock:
            files, self.files, self.complete = self.files, [], False
            self.records.clear()
        for file in files:
            file.truncate(0)


@contextmanager
def spill(size: float) -> Iterator[Spill]:
    """Files for about so many bytes, for as long as the context lasts, on the disk of Python's `tempfile`.

    >>> with spill(100) as kept:
    ...     kept.write(0, [np.arange(3), None])
    ...     with kept.read(0) as arrays:
    ...         print(arrays)
    [array([0, 1, 2]), None]
    """
    kept = empty(size)
    with ExitStack() as stack:
        for file in kept.files:
            stack.enter_context(file)
        yield kept


def empty(size: float) -> Spill:
    """Files for about so many bytes, with nothing in them; they last as long as the value."""
    kept = Spill(_files(size), size)
    weakref.finalize(kept, lambda files: [file.close() for file in files], kept.files)
    return kept


def room(array: NDArray | None) -> int:
    """The bytes that an array takes in a file."""
    return 0 if array is None else -(-array.nbytes // ALIGNED) * ALIGNED


def narrow(array: NDArray) -> NDArray:
    """The same numbers in half the bytes or less, where they are exact so; rounding to single precision is not.

    >>> narrow(np.array([0, 200])).dtype, narrow(np.array([0.5])).dtype, narrow(np.array([0.1])).dtype
    (dtype('uint8'), dtype('float32'), dtype('float64'))
    """
    if array.dtype.kind in "iu":
        smallest = np.promote_types(*(np.min_scalar_type(end) for end in (array.min(initial=0), array.max(initial=0))))
        return array.astype(smallest)
    some = array[:64]  # of most data that are not exact, a few tell
    with np.errstate(over="ignore"):
        if not np.array_equal(some, some.astype(np.float32)):
            return array
        half = array.astype(np.float32)
    return half if np.array_equal(half, array) else array


def arrays_of(chunk: Block) -> list[NDArray | None]:
    """What a chunk is made of, to be spilled: no weight where each is 1, X in single precision where that is exact."""
    X, rows = chunk.X, np.array([chunk.rows.start, chunk.rows.stop, chunk.X.shape[1]])
    parts = [X.indices, X.indptr] if sparse.issparse(X) else [None, None]
    weight = None if (chunk.weight == 1.0).all() else chunk.weight
    numbers = X.data if sparse.issparse(X) else X
    return [rows, narrow(numbers), *parts, narrow(chunk.y), weight, chunk.offset]


def block_of(arrays: list[Any]) -> Block:
    """The chunk of these arrays."""
    (start, stop, width), numbers, indices, indptr, y, weight, offset = arrays
    X = numbers
    if indptr is not None:
        X = sparse.csr_array((numbers, indices, indptr), shape=(stop - start, width), copy=False)
    y = y.astype(np.intp if y.dtype.kind in "iu" else np.float64)
    return Block(X, y, np.ones(stop - start) if weight is None else weight, slice(int(start), int(stop)), offset)


def _files(size: float) -> list[Any]:
    """Files without names; none where the disk has no room for them."""
    try:
        free = shutil.disk_usage(tempfile.gettempdir()).free
        return [tempfile.TemporaryFile(buffering=0) for _ in range(FILES)] if size <= SHARE * free else []
    except OSError:
        return []


def _write_at(file: Any, array: NDArray, start: int, lock: Lock) -> None:
    rest = memoryview(array.reshape(-1).view(np.uint8).data)
    with _alone(lock):
        while rest:
            written = os.pwrite(file.fileno(), rest, start) if AT_ONCE else _moved(file, start).write(rest)
            rest, start = rest[written:], start + written


def _read_at(file: Any, buffer: NDArray[np.uint8], start: int, lock: Lock) -> None:
    rest = memoryview(buffer.data)
    with _alone(lock):
        while rest:
            count = os.preadv(file.fileno(), [rest], start) if AT_ONCE else _moved(file, start).readinto(rest)
            if not count:
                raise OSError("a temporary file has lost its end")
            rest, start = rest[count:], start + count


AT_ONCE = hasattr(os, "preadv") and hasattr(os, "pwrite")
"""Whether threads can read and write one file at once, each at its own place; else they take turns."""


def _alone(lock: Lock) -> AbstractContextManager[Any]:
    return nullcontext() if AT_ONCE else lock


def _moved(file: Any, start: int) -> Any:
    file.seek(start)
    return file
