"""python -m benchmarks.compare A B [--cases a,b] [--rounds 3] [--data DIR] [--tol 1e-8] [--quick]

Times two commits of this repository by turns on the same cases, and prints the ratio; `.` is the tree as it is.
"""

import argparse
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.cases import CASES, SCALING, Case, chosen, needed, reader
from benchmarks.judge import Run
from benchmarks.measure import ROOT, Job, run
from benchmarks.report import grid

HEAD = ["case", "A seconds", "B seconds", "B / A", "A passes", "B passes", "objective B - A"]


def main() -> None:
    arguments = parse()
    cases = chosen("case", arguments.cases, {**CASES, **{case.name: case for case in SCALING}})
    with TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        with tree(arguments.A, scratch / "A") as a, tree(arguments.B, scratch / "B") as b:
            rows = [compared(case, (a, b), arguments, scratch) for case in cases]
    print(grid(HEAD, rows))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description="Times two commits by turns.")
    parser.add_argument("A", help="a commit, or . for the tree as it is")
    parser.add_argument("B")
    parser.add_argument("--cases", default="synthetic-0.5,digits,iris")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of Parquet files; without it, OpenML")
    parser.add_argument("--tol", type=float, default=1e-8)
    parser.add_argument("--quick", action="store_true", help="rows divided by up to 20")
    return parser.parse_args()


@contextmanager
def tree(commit: str, folder: Path) -> Iterator[Path]:
    """The commit's files in a folder, for as long as they are needed."""
    if commit == ".":
        yield ROOT
        return
    git = ["git", "-C", str(ROOT)]
    known = subprocess.run([*git, "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}"], capture_output=True)
    if known.returncode:
        raise SystemExit(f"no such commit: {commit}.")
    subprocess.run([*git, "worktree", "add", "--detach", "--quiet", str(folder), commit], check=True)
    try:
        yield folder
    finally:
        subprocess.run([*git, "worktree", "remove", "--force", str(folder)], check=True)


def compared(case: Case, trees: tuple[Path, Path], arguments: argparse.Namespace, cache: Path) -> list[str]:
    """The fastest run of each commit, in turns so that a busy spell of the machine strikes both."""
    folder = needed(case.data, reader(arguments.data), arguments.quick, cache)
    job = Job(str(folder), "separatrix", case.C, case.l1_ratio, arguments.tol)
    rounds = [[run(job, str(path / "src")) for path in trees] for _ in range(arguments.rounds)]
    unfinished = [each for pair in rounds for each in pair if each.status != "done"]
    if unfinished:
        return [case.name, unfinished[0].note, "", "", "", "", ""]
    return [case.name, *line([pair[0] for pair in rounds], [pair[1] for pair in rounds])]


def line(a: list[Run], b: list[Run]) -> list[str]:
    """Best seconds of each, the median of the ratios within a round, passes, and the difference of the objectives."""
    ratio = median(second.seconds / first.seconds for first, second in zip(a, b, strict=True))
    best = [f"{min(each.seconds for each in runs):.4g}" for runs in (a, b)]
    passes = [str(runs[0].iterations) for runs in (a, b)]
    return [*best, f"{ratio:.2f}", *passes, f"{b[0].objective - a[0].objective:.1e}"]


if __name__ == "__main__":
    main()
