"""The benchmark judges rightly: its objective, its translations of the penalty, its choice of runs."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import sparse

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))

from benchmarks import alike, flights, inference, linear  # noqa: E402
from benchmarks.__main__ import Allowance  # noqa: E402
from benchmarks.cases import CASES, Case, Problem, chosen, describe, prepare, reader  # noqa: E402
from benchmarks.judge import Reference, Run, climb, dual, entry, lowest, objective  # noqa: E402
from benchmarks.measure import Job, run  # noqa: E402
from benchmarks.peers import ALL, PEERS, Peer  # noqa: E402
from benchmarks.report import goals, limits_line, memory, scaling_table, table  # noqa: E402
from benchmarks.streaming import run as stream_job  # noqa: E402

PENALTIES = [(0.05, 0.0), (0.05, 1.0), (0.05, 0.4), (np.inf, 0.0)]
COMPILED = pytest.mark.slow  # anew in each process
FREE = [peer for peer in ALL if peer.installed and not peer.penalises_intercept]


def noisy(rows=400, columns=6, classes=2):
    """Columns of different units and a frequent class, so that scalings and intercepts matter; not separable."""
    random = np.random.default_rng(1)
    X = random.standard_normal((rows, columns)) * np.geomspace(0.5, 3, columns)
    eta = X @ random.standard_normal((columns, classes)) / 3 + np.arange(classes)
    return X, (eta + random.gumbel(size=eta.shape)).argmax(axis=1)


def slope(X, y, coef, intercept, C, l1_ratio):
    """The gradient of the objective by central differences."""
    theta, h = np.column_stack([coef, intercept]), 1e-5
    steps = h * np.eye(theta.size).reshape(theta.size, *theta.shape)
    values = [[objective(X, y, t[:, :-1], t[:, -1], C, l1_ratio) for t in (theta + s, theta - s)] for s in steps]
    return np.array([(up - down) / (2 * h) for up, down in values])


def test_the_objective_of_one_row_is_what_it_is_by_hand():
    X, coef, intercept = np.array([[2.0]]), np.array([[3.0]]), np.array([-6.0])
    value = objective(X, np.array([1]), coef, intercept, C=0.5, l1_ratio=0.25)
    assert value == pytest.approx(np.log(2) + (0.75 / 2 * 9 + 0.25 * 3) / 0.5)
    assert objective(X, np.array([1]), coef, intercept, 0.5, 0.0, True) == pytest.approx(np.log(2) + 45)


def test_the_objective_of_three_classes_is_what_it_is_by_hand():
    coef, intercept = np.zeros((3, 2)), np.log([1.0, 2.0, 5.0])
    value = objective(np.ones((2, 2)), np.array([1, 2]), coef, intercept, np.inf, 0.0)
    assert value == pytest.approx(-(np.log(2 / 8) + np.log(5 / 8)) / 2)


def fits(peer: Peer, C, l1_ratio, is_sparse):
    """Whether a peer takes such a problem."""
    return not peer.unfit(Problem(400, 6, 2, is_sparse, C, l1_ratio))


@pytest.mark.parametrize("penalised", [False, True])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("classes", [2, 3])
def test_the_dual_is_below_every_objective_and_meets_it_at_the_optimum(classes, l1_ratio, penalised):
    X, y = noisy(classes=classes)
    design, options = (np.column_stack([X, np.ones(len(X))]), {"fit_intercept": False}) if penalised else (X, {})
    best = PEERS["separatrix"].fit(design, y, 0.05, l1_ratio, 1e-13, **options)
    coef, intercept = (best.coef[:, :-1], best.coef[:, -1]) if penalised else (best.coef, best.intercept)
    optimum = objective(X, y, coef, intercept, 0.05, l1_ratio, penalised)
    assert dual(X, y, coef, intercept, 0.05, l1_ratio, penalised) == pytest.approx(optimum, rel=1e-9)
    random = np.random.default_rng(0)
    for size in (1e-3, 0.1, 1.0, 10.0):
        other = coef + size * random.standard_normal(coef.shape)
        assert dual(X, y, other, intercept + size, 0.05, l1_ratio, penalised) <= optimum * (1 + 1e-12)


@pytest.mark.parametrize(
    ("name", "C", "l1_ratio", "is_sparse"),
    [
        pytest.param(p.name, *penalty, kind, marks=COMPILED if p.name == "skglm" else ())
        for p in FREE
        for penalty in PENALTIES
        for kind in (False, True)
        if fits(p, *penalty, kind)
    ],
)
def test_a_peer_stops_where_the_true_objective_is_stationary(name, C, l1_ratio, is_sparse):
    X, y = noisy()
    answer = PEERS[name].fit(sparse.csr_matrix(X) if is_sparse else X, y, C=C, l1_ratio=l1_ratio, tol=1e-10)
    gradient = slope(X, y, answer.coef, answer.intercept, C, l1_ratio)
    at_zero = np.append(answer.coef[0] == 0, False)  # there the differences of |w| cancel, and the loss may push so far
    assert gradient[~at_zero] == pytest.approx(0, abs=1e-6)
    assert (np.abs(gradient[at_zero]) <= l1_ratio / (C * len(y))).all()


@pytest.mark.parametrize("name", ["separatrix", "lbfgs", "newton-cholesky", "saga", "statsmodels"])
def test_a_peer_of_three_classes_stops_where_the_true_objective_is_stationary(name):
    X, y = noisy(classes=3)
    C = np.inf if name == "statsmodels" else 0.05
    if not PEERS[name].installed:
        pytest.skip("not installed")
    answer = PEERS[name].fit(X, y, C=C, l1_ratio=0.0, tol=1e-10)
    assert slope(X, y, answer.coef, answer.intercept, C, 0.0) == pytest.approx(0, abs=1e-6)


def test_liblinear_and_a_column_of_ones_reach_the_same_penalised_optimum():
    X, y = noisy()
    own = PEERS["liblinear"].fit(X, y, C=0.05, l1_ratio=0.0, tol=1e-10)
    ones = PEERS["lbfgs"].fit(np.column_stack([X, np.ones(len(X))]), y, 0.05, 0.0, 1e-10, fit_intercept=False)
    assert own.coef == pytest.approx(ones.coef[:, :-1], abs=1e-5)
    assert own.intercept == pytest.approx(ones.coef[:, -1], abs=1e-5)


def scripted(values):
    """A peer's runs, from a table of (tol, threads) -> (seconds, objective), and what was asked."""
    asked = []

    def measure(peer, tol, threads, augment):
        asked.append((tol, threads))
        seconds, value = values.get((tol, threads), (9.0, 2.0))
        return Run(peer, tol, threads, "done", seconds, value, value)

    return measure, asked


def test_the_fastest_run_that_reaches_the_gap_counts():
    measure, asked = scripted({(1e-4, 2): (3.0, 1.0), (1e-4, 1): (2.0, 1.0), (1e-3, 1): (1.5, 1 + 1e-7)})
    peer, optimum = PEERS["lbfgs"], Reference(1.0, (), 0.0)
    line = entry(peer, climb(peer, measure, optimum), {False: optimum})
    assert (line.status, line.run and line.run.seconds) == ("reached", 1.5)
    assert asked == [(1e-2, 2), (1e-4, 2), (1e-4, 1), (1e-3, 1)]


def test_a_peer_that_never_reaches_the_gap_is_shown_with_its_smallest():
    measure, _ = scripted({(1e-8, 2): (5.0, 1.01)})
    peer, optimum = PEERS["saga"], Reference(1.0, (), 0.0)
    runs = [measure("saga", tol, 2, False) for tol in peer.tolerances]
    line = entry(peer, runs, {False: optimum})
    assert (line.status, line.gap) == ("short", pytest.approx(0.01))


def test_two_references_that_differ_are_not_called_agreed():
    runs = [Run("a", 0.0, 1, "done", 1.0, 1.0), Run("b", 0.0, 1, "done", 1.0, 1 + 1e-8)]
    assert not lowest(runs, False).agreed
    assert not lowest(runs[:1], False).agreed


def test_one_reference_is_enough_where_its_dual_proves_it():
    runs = [Run("a", 0.0, 1, "done", 1.0, 1.0, dual=1 - 1e-12), Run("b", 0.0, 1, "done", 1.0, 2.0, dual=0.5)]
    assert lowest(runs[:1], False).agreed
    assert lowest(runs, False).proven == pytest.approx(1e-12, rel=1e-3)
    assert not lowest(runs[1:], False).agreed


@pytest.mark.slow
def test_a_fit_that_outlasts_its_limit_is_killed_and_says_so(tmp_path):
    folder = prepare("columns-300", reader(None), True, tmp_path)
    result = run(Job(str(folder), "saga", 1.0, 0.0, 1e-14, 1, limit=0.05))
    assert (result.status, result.note) == ("killed", "killed after 0.05 s at tol 1e-14")


def test_with_patience_other_solvers_are_given_so_many_times_the_tightest_fit():
    allowance = Allowance(300.0, 20.0)
    for peer, seconds, status in (("lbfgs", 9.0, "done"), ("separatrix", 2.0, "done"), ("separatrix", 0.5, "done")):
        allowance.learn(Run(peer, 1e-13, 1, status, seconds))
    assert allowance.seconds == 40.0
    short = Allowance(300.0, 20.0)
    short.learn(Run("separatrix", 1e-13, 1, "done", 0.001))
    assert short.seconds == 5.0


@pytest.mark.slow
def test_an_argument_that_a_peer_refuses_is_shown_in_its_own_words(tmp_path):
    folder = prepare("iris", reader(None), False, tmp_path)
    result = run(Job(str(folder), "separatrix", -1.0, 0.0, 1e-6))
    assert result.status == "refused"
    assert "C=-1.0" in result.note


def test_a_prepared_case_is_described_as_it_is(tmp_path):
    folder = prepare("digits", reader(None), False, tmp_path)
    assert describe(Case("digits", "digits", 2.0), folder) == Problem(1797, 64, 10, False, 2.0, 0.0)


@pytest.mark.slow
def test_the_command_measures_saves_and_prints_a_case(tmp_path):
    out = tmp_path / "results.json"
    command = [sys.executable, "-m", "benchmarks", "--cases", "iris", "--peers", "separatrix"]
    done = subprocess.run([*command, "--out", str(out)], cwd=ROOT, capture_output=True, text=True, check=True)
    (record,) = json.loads(out.read_text())
    assert [line["status"] for line in record["entries"]] == ["reached"]
    assert record["reference"]["agreed"]
    assert table(record) in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            "profile flights",
            "no data for flights: flights_3m is not on OpenML: give --data DIR with flights_3m.parquet.",
        ),
        ("profile iris,digits", "no such case: iris,digits."),
        ("compare . . --cases fraud --data nowhere", "no data for fraud: "),
        ("compare nosuch . --cases iris", "no such commit: nosuch."),
        ("report one two", "unrecognized arguments: two"),
        ("report nosuch.json", "no results in nosuch.json: "),
    ],
)
def test_what_a_command_lacks_is_said_in_a_line(arguments, told):
    command = f"{sys.executable} -m benchmarks.{arguments}".split(" ")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_list_of_cases_may_end_in_a_comma():
    assert chosen("case", "iris,", CASES) == [CASES["iris"]]
    assert chosen("case", "", CASES) == list(CASES.values())


def record_of(name, times, limit=4.0, **more):
    """A result in which each solver took so many seconds, or None: it was killed at the limit."""
    lines = [
        {
            "peer": peer,
            "status": "reached" if took else "killed",
            "run": {"seconds": took, "megabytes": 1.0} if took else None,
            "own_gap": 1e-8 if took and peer.startswith("liblinear") else None,
            "runs": [{"seconds": took or limit, "status": "done" if took else "killed"}],
        }
        for peer, took in times.items()
    ]
    shape = {"rows": 1_000, "columns": 1_000, "sparse": False, "quick": False, "limit": limit}
    shape["machine"] = {"processor": "Some processor"}
    return {"name": name, "entries": lines, **shape, **more}


def cells_of(text, name):
    return [[cell.strip() for cell in line.split("|")[2:-1]] for line in text.splitlines() if f"| {name} " in line]


def test_a_goal_is_met_missed_or_not_known_and_says_by_whom():
    records = [
        record_of("synthetic-0.5", {"separatrix": 1.0, "intelex": 4.0, "lbfgs": 7.0}),
        record_of("spamassassin", {"separatrix": 1.0, "liblinear-dual": 0.5, "liblinear": 1.5, "lbfgs": 3.0}),
        record_of("mnist", {"separatrix": 0.5, "lbfgs": None}),
        record_of("wide", {"separatrix": 1.0, "lbfgs": None}),
        record_of("iris", {"separatrix": None, "lbfgs": 1.0}),
        record_of("flights", {"separatrix": 1.0, "intelex": 1.998}),
        record_of("rotten_tomatoes-l1", {"separatrix": 1.0, "separatrix-numba": 0.5, "liblinear": 0.75, "skglm": 2.0}),
    ]
    text = goals(records, [record_of("mnist", {"separatrix": 1.0, "lbfgs": 3.0})])
    assert cells_of(text, "synthetic-0.5") == [
        ["any", "3", "4", "intelex", "met", "", "", ""],
        ["scikit-learn", "10", "7", "lbfgs", "**missed**", "", "", ""],
    ]
    assert cells_of(text, "flights") == [["any", "2", "1.998", "intelex", "**missed**", "", "", ""]]
    assert cells_of(text, "spamassassin") == [["primal", "1", "1.5", "liblinear", "met", "3", "", ""]]
    assert cells_of(text, "mnist") == [["any", "4", "over 8", "none", "met", "", "", "3"]]
    assert cells_of(text, "wide") == [["any", "5", "over 4", "none", "not known", "", "", ""]]
    assert cells_of(text, "iris") == [["any", "1", "separatrix did not arrive", "", "**missed**", "", "", ""]]
    assert cells_of(text, "rotten_tomatoes-l1") == [["any", "1", "0.75", "liblinear", "**missed**", "2", "1.5", ""]]
    assert "Missed, 4 of 8: flights (1.998 of 2), iris (separatrix did not arrive of 1), rotten_tomatoes-l1" in text
    assert "what was reached on Some processor, another day. Missed, 1 of 1: mnist (3 of 4)." in text
    assert "earlier" not in goals(records, [])


def test_the_report_says_what_memory_is_above_its_bound_and_what_the_limits_were():
    large = record_of("mnist", {"separatrix": 1.0}, limit=40.0, columns=100)
    others = [record_of("wide", {"separatrix": 1.0, "glum": 9.0}), record_of("iris", {"separatrix": 1.0, "glum": 1.0})]
    text = memory([*others, large, record_of("sms_spam", {"separatrix": 1.0}, sparse=True)])
    assert cells_of(text, "mnist") == [["0.8", "1", "125 %", "above 30 %"]]
    assert cells_of(text, "wide") == [["8", "1", "12 %", ""]]
    assert "More than 30 % of X: mnist." in text
    assert "sms_spam" not in text
    line = limits_line([*others, large])
    assert "4 seconds a fit, 40 for mnist:" in line
    assert "Not run for every case: glum." in line
    assert "given 20 times the seconds" in limits_line([record_of("wide", {"separatrix": 1.0}, patience=20.0)])


def test_the_numbers_of_the_scaling_end_where_the_limit_was():
    text = scaling_table([record_of("rows-1000", {"separatrix": 0.5, "glum": None}, limit=3.0)])
    assert "more than the limit (3 s)" in text
    assert "| 1,000 x 1,000  | 0.5        |      |" in text


@pytest.mark.slow
def test_inference_is_measured_checked_and_saved(tmp_path):
    out = tmp_path / "results.json"
    command = [sys.executable, "-m", "benchmarks.inference", "--cases", "errors,firth-intervals", "--rows", "300"]
    done = subprocess.run([*command, "--out", str(out)], cwd=ROOT, capture_output=True, text=True, check=True)
    errors, firth = json.loads(out.read_text())
    assert done.stdout.count("| separatrix | ") == 2
    assert "differs" not in done.stdout
    assert "failed" not in errors["results"]["statsmodels"]
    assert np.shape(firth["results"]["separatrix"]["answer"]) == (1, 11, 2)


def test_an_answer_that_differs_and_a_peer_without_one_are_told():
    ours = {"seconds": 1.0, "processor": 1.0, "answer": [[1.0, 2.0], [0.5, 0.5]]}
    other = ours | {"seconds": 4.0, "answer": [[1.0, 2.1], [0.5, 0.5]]}
    lines = inference.table("errors", 9, {"separatrix": ours, "other": other, "late": {"failed": "over the limit"}})
    assert lines[-2] == "| other | 4.000 | 1.000 | 4.00 | 5e-02: differs |"
    assert lines[-1].startswith("| late | over the limit |")


@pytest.mark.slow
def test_rows_that_are_counted_give_the_answer_of_each_row(tmp_path):
    pq.write_table(alike.made(3_000), tmp_path / "set.parquet")
    ways = ("separatrix", "separatrix, row by row")
    results = {way: alike.run(way, tmp_path / "set.parquet") for way in ways}
    np.testing.assert_allclose(*(results[way]["answer"] for way in ways), rtol=1e-6)
    assert [line.split(" | ")[0] for line in alike.report(3_000, results)[2:]] == [f"| {way}" for way in ways]


@pytest.mark.slow
def test_predictions_are_those_of_scikit_learn_with_the_same_coefficients():
    command = [sys.executable, "-m", "benchmarks.predicting", "--cases", "0,1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in done.stdout.splitlines()]
    assert [row[0] for row in cells[2:]] == ["1 x 28", "1,000 x 28"]
    for row in cells[2:]:
        assert len(row) == len(cells[0])
        assert float(row[-1]) < 1e-14
        for ours, theirs, ratio in zip(row[1:-1:3], row[2:-1:3], row[3:-1:3], strict=True):
            assert float(ratio) == pytest.approx(float(theirs) / float(ours), rel=0.1, abs=0.06)


@pytest.mark.slow
def test_least_squares_are_at_the_optimum_that_peers_come_near_to():
    command = [sys.executable, "-m", "benchmarks.linear", "--rows", "150"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in done.stdout.splitlines()]
    assert [row[:2] for row in cells[2:]] == [["150 x 4", penalty] for size, penalty in linear.CASES if size[0] == 150]
    sparse = linear.line((2_000, 5_000), "weak ridge")
    assert sparse[:2] == ["2,000 x 5,000, sparse", "weak ridge"]
    assert float(sparse[3]) <= 1e-10  # as y is all but met, and the gap is proven beside its variance
    assert max(float(row[3]) for row in cells[2:]) <= 1e-12
    for row in [*cells[2:], sparse]:
        assert float(row[6]) <= linear.REACHED
        assert float(row[7]) == pytest.approx(float(row[5]) / float(row[2]), rel=0.1, abs=0.06)


@pytest.mark.slow
def test_the_set_of_files_is_fitted_and_its_gap_is_measured(tmp_path, monkeypatch):
    random, rows = np.random.default_rng(0), 4_000
    drawn = {name: random.integers(1, 7, rows).astype(np.int16) for name in ("month", "day", "dow", "hour", "minute")}
    places = {name: random.choice(["OSL", "FCO", "KBP"], rows) for name in ("origin", "destination")}
    source = pa.table({**drawn, **places, "distance": random.integers(100, 2_000, rows), "late15": np.arange(rows) % 2})
    pq.write_table(source, tmp_path / "flights.parquet")
    monkeypatch.setattr(flights, "ROWS_A_FILE", 3_000)
    flights.make(tmp_path / "flights.parquet", tmp_path / "set", 5_000)
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == ["part-000.parquet", "part-001.parquet"]
    assert stream_job("pyarrow", tmp_path / "set")["rows"] == 5_000
    fitted = stream_job("fit", tmp_path / "set")
    worse = [weight + 0.1 for weight in fitted["theta"]]
    gaps = stream_job("gaps", tmp_path / "set", {"fit": fitted["theta"], "worse": worse})
    assert gaps["fit"] == 0.0 < gaps["worse"]
