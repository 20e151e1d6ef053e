"""python -m benchmarks.profile CASE [--data DIR] [--tol 1e-6]

Where separatrix spends its time on a case: the functions that took most, of the best of a few fits on one thread.
"""

import argparse
from cProfile import Profile
from pathlib import Path
from pstats import Stats
from tempfile import TemporaryDirectory

from benchmarks.cases import CASES, load, needed, reader
from benchmarks.measure import REPEATS

SHOWN = 15  # functions


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description="Where the time goes.")
    parser.add_argument("case", help=f"one of {', '.join(CASES)}")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of Parquet files; without it, OpenML")
    parser.add_argument("--tol", type=float, default=1e-6)
    arguments = parser.parse_args()
    if arguments.case not in CASES:
        parser.error(f"no such case: {arguments.case}. There are: {', '.join(CASES)}.")
    case = CASES[arguments.case]
    with TemporaryDirectory() as scratch:
        X, y = load(needed(case.data, reader(arguments.data), False, Path(scratch)))

    from separatrix import LogisticRegression

    model = LogisticRegression(C=case.C, l1_ratio=case.l1_ratio, tol=arguments.tol, n_threads=1)
    profiles = [Profile() for _ in range(1 + REPEATS)]
    for profile in profiles:
        profile.runcall(model.fit, X, y)
    best = min((Stats(profile) for profile in profiles), key=lambda stats: stats.total_tt)  # pyright: ignore
    best.sort_stats("tottime").print_stats(SHOWN)


if __name__ == "__main__":
    main()
