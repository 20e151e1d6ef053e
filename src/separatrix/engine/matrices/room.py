"""How much memory a matrix may still take: what is foreseen need not be died of."""

from importlib import import_module
from math import isinf
from pathlib import Path
from typing import NamedTuple

from separatrix.engine.matrices.linear_algebra import LARGEST_CURVATURE

CGROUP = Path("/sys/fs/cgroup")
FEW_BYTES = 5 * 2**23  # for matrices beside few rows, which may be some columns of many
HARD_BYTES, HARD_SHARE = 2**29, 0.5  # beside few cells, or at most of the memory that is free, where else is no answer,
HARD_WITH_X = 2**27  # and beside more with all of X
HELD_AT_ONCE = 64  # bytes for each number of a curvature, with its factor and sums
LITTLE = 2**22  # that it may take beside any X


class Room(NamedTuple):
    """Bytes that matrices may take beside few rows; and where there is no answer without."""

    few: float
    hard: float


def room_beside(X: float, kept: float) -> Room:
    """What there is of it beside so many bytes of X, of whose rows so many may be kept, inf of few cells.

    >>> room_beside(1e9, 2e8).few
    41943040
    """
    hard = HARD_BYTES if isinf(kept) else HARD_WITH_X - X
    return Room(min(FEW_BYTES, kept / 3), min(hard, HARD_SHARE * memory_at_hand()))


def takes_little(size: int, kept: float, each: int = HELD_AT_ONCE) -> bool:
    """Whether a matrix (size, size), with so many bytes for each of its numbers, takes little beside X, of whose rows
    so many may be kept; where X sets no bound, if it is small.

    >>> takes_little(1000, 2e8), takes_little(3000, 2e8)
    (True, False)
    """
    return size <= LARGEST_CURVATURE if isinf(kept) else each * size**2 <= max(kept, LITTLE)


def memory_at_hand() -> float:
    """Bytes that this process may still take: free on the machine, in its container, and below its own limit (`ulimit
    -v`), as far as Linux tells; inf elsewhere.

    >>> memory_at_hand() > 0
    True
    """
    return min(on_machine(), in_container(), below_limit())


def on_machine() -> float:
    """What the kernel says is available."""
    lines = read(Path("/proc/meminfo")).splitlines()
    return min(
        (1024.0 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), default=float("inf")
    )


def in_container() -> float:
    """Below the limit of the control group; files that it keeps in memory are given back when asked."""
    limit, used = read(CGROUP / "memory.max").strip(), read(CGROUP / "memory.current").strip()
    if not limit.isdigit() or not used.isdigit():
        return float("inf")
    kept = sum(int(line.split()[1]) for line in read(CGROUP / "memory.stat").splitlines() if line.startswith("file "))
    return max(float(limit) - float(used) + kept, 0.0)


def below_limit() -> float:
    """What is left of the address space that the process was allowed."""
    pages = read(Path("/proc/self/statm")).split()
    if not pages:
        return float("inf")
    resource = import_module("resource")  # which Windows has not
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return float("inf") if limit == resource.RLIM_INFINITY else limit - float(pages[0]) * resource.getpagesize()


def read(path: Path) -> str:
    """The text of a file of the kernel's; empty where there is none."""
    return path.read_text() if path.exists() else ""
