"""python -m benchmarks [--data DIR] [--cases a,b] [--peers x,y] [--quick] [--scaling]
                     [--limit SECONDS] [--patience N] [--out FILE.json]

The seconds every solver needs to come within a relative 1e-6 of the optimum, minutes a case. `docs/benchmarks.md` says
how.
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.cases import CASES, SCALING, Case, Read, as_record, chosen, describe, prepare, reader
from benchmarks.judge import Run, race
from benchmarks.measure import LEAST, Job, machine, run
from benchmarks.peers import PEERS, Peer
from benchmarks.report import table

SCALING_PEERS = "separatrix,lbfgs,newton-cholesky,intelex,glum"
Record = dict[str, Any]


def main() -> None:
    """Measures case after case; prints each table, and saves what there is after each."""
    arguments = parse()
    known = {case.name: case for case in SCALING} if arguments.scaling else CASES
    cases = chosen("case", arguments.cases, known)
    peers = chosen("peer", arguments.peers or (SCALING_PEERS if arguments.scaling else ""), PEERS)
    with TemporaryDirectory() as cache:
        for case in cases:
            allowance = Allowance(arguments.limit, arguments.patience)
            record = measured(case, peers, reader(arguments.data), arguments.quick, allowance, Path(cache))
            print(table(record), flush=True)
            if arguments.out:
                save(arguments.out, record)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of Parquet files; without it, OpenML")
    parser.add_argument("--cases", default="", help=f"some of: {', '.join(CASES)}")
    parser.add_argument("--peers", default="", help=f"some of: {', '.join(PEERS)}")
    parser.add_argument("--quick", action="store_true", help="rows divided by up to 20: a trial")
    parser.add_argument("--scaling", action="store_true", help="made data of 1e3 to 1e7 rows and 10 to 2000 columns")
    parser.add_argument("--limit", type=float, default=300, metavar="SECONDS", help="for one fit (default 300)")
    parser.add_argument(
        "--patience",
        type=float,
        metavar="N",
        help=f"others may take N times as long as separatrix, and {LEAST:g} s",
    )
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="results; cases not run now are kept in it")
    return parser.parse_args()


@dataclass
class Allowance:
    """The seconds that a fit may take; with patience N, once separatrix has an answer, at most N times its own."""

    seconds: float
    patience: float | None = None

    def learn(self, run: Run) -> None:
        """Its first run is the tightest: that of the optimum."""
        if self.patience and run.peer == "separatrix" and run.status == "done":
            self.seconds = min(self.seconds, max(LEAST, self.patience * run.seconds))
            self.patience = None


def measured(case: Case, peers: list[Peer], read: Read, quick: bool, allowance: Allowance, cache: Path) -> Record:
    """A case with a line for every peer, as it is saved; without its data, the reason."""
    try:
        folder = prepare(case.data, read, quick, cache)
    except (LookupError, OSError) as missing:
        return {"name": case.name, "missing": str(missing)}
    problem, patience = describe(case, folder), allowance.patience

    def measure(peer: str, tol: float, threads: int, augment: bool) -> Run:
        print(f"{case.name}: {peer}, tol={tol:g}, {threads} threads", file=sys.stderr, flush=True)
        done = run(Job(str(folder), peer, case.C, case.l1_ratio, tol, threads, allowance.seconds, augment))
        allowance.learn(done)
        return done

    optimum, entries = race(problem, peers, measure)
    return {
        **as_record(case, problem),
        "quick": quick,
        "limit": allowance.seconds,
        "patience": patience,
        "machine": machine(),
        "reference": asdict(optimum) | {"agreed": optimum.agreed},
        "entries": [asdict(each) for each in entries],
    }


def save(path: Path, record: Record) -> None:
    """Puts a case into the file, a line each, in place of its older result."""
    kept = json.loads(path.read_text()) if path.exists() else []
    kept = [other for other in kept if other["name"] != record["name"]]
    path.write_text("[\n" + ",\n".join(json.dumps(each) for each in [*kept, record]) + "\n]\n")


if __name__ == "__main__":
    main()
