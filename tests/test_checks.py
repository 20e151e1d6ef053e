"""Each finding: when it speaks, what it names, and when it keeps quiet."""

import datetime as dt
import re
import shlex
from dataclasses import replace
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from separatrix.data.tables.columns import Columns
from separatrix.data.tables.target import Target
from separatrix.evaluate.checks import examine
from separatrix.evaluate.codes import CODES, Finding
from separatrix.evaluate.far_numbers import far_of
from separatrix.evaluate.metrics import evaluate_classes, evaluate_numbers
from separatrix.evaluate.pure_levels import pure_levels
from separatrix.export.json import read_model

ROWS = 600
BINARY = Target("ill", ["no", "yes"])


def draw(seed: int = 0) -> Any:
    return np.random.default_rng(seed)


def learned(data: dict[str, Any], **options: Any) -> tuple[Any, Columns]:
    table = nw.from_dict({**data, "ill": [0] * len(next(iter(data.values())))}, backend="pyarrow")
    columns = Columns.learn(table, target="ill", **options)
    return columns.encode(table).X, columns


def plain(rows: int = ROWS) -> dict[str, Any]:
    return {"age": draw(1).normal(50, 9, size=rows), "dose": draw(2).normal(size=rows)}


def noise(rows: int = ROWS, rate: float = 0.4) -> Any:
    return (draw(3).random(rows) < rate).astype(int)


def found(findings: list[Finding], code: str) -> Finding:
    (finding,) = [finding for finding in findings if finding.code == code]
    return finding


def test_sound_data_give_no_finding():
    X, columns = learned(plain())
    assert examine(X, noise(), columns, BINARY) == []


def test_a_rare_class_is_named_with_its_share():
    X, columns = learned(plain())
    finding = found(examine(X, noise(rate=0.03), columns, BINARY), "SX101")
    assert "'yes'" in finding.text
    assert f"{noise(rate=0.03).sum()} of 600" in finding.text


def test_of_many_classes_each_has_few_rows_and_only_far_fewer_are_rare():
    X, columns = learned(plain(600))
    forty, y = Target("species", [f"s{k}" for k in range(40)]), np.arange(600) % 40
    assert "SX101" not in {finding.code for finding in examine(X, y, columns, forty)}
    y = np.where((y == 7) & (np.arange(600) > 40), 8, y)
    assert found(examine(X, y, columns, forty), "SX101").text == "class 's7' has 1 of 600 training rows (0.1667%)."


def test_what_is_seen_in_a_sample_is_said_of_all_rows_or_of_the_sample():
    X, columns = learned(plain(30) | {"side": ["left", "right"] * 15})
    y, counts = np.array([0, 1] * 15), np.array([10_000, 100])
    findings = examine(X, y, columns, BINARY, probabilities=np.eye(2)[y], C=1.0, counts=counts)
    assert found(findings, "SX101").text == "class 'yes' has 100 of 10,100 training rows (0.9901%)."
    assert "SX102" not in {finding.code for finding in findings}
    assert found(findings, "SX107").text.startswith("all 30 training rows of a sample are on their right side")


def test_what_rows_weigh_tells_which_class_is_rare_and_frequencies_how_many_observations_there_are():
    X, columns = learned(plain(30))
    y, counts = np.repeat([0, 1], [26, 4]), np.array([26, 4])
    by = {"counts": counts, "weight": np.array([80.0, 2_100.0])}
    observed = examine(X, y, columns, BINARY, frequency=True, **by)
    assert found(observed, "SX101").text == "class 'no' has 80 of 2,180 training observations (3.67%)."
    assert "SX102" not in {finding.code for finding in observed}
    sampled = examine(X, y, columns, BINARY, **by)
    assert found(sampled, "SX101").text == "class 'no' has 26 of 30 training rows (3.67% by weight)."
    assert found(sampled, "SX102").text.startswith("4 rows of the rarest class for 2 coefficients")
    few = examine(X, draw().normal(size=30), columns, Target("cost", []), weight=np.array([19.0]), frequency=True)
    assert found(few, "SX102").text.startswith("19 observations for 2 coefficients")


def test_one_row_is_not_called_rows():
    X, columns = learned(plain(30))
    findings = examine(X, np.repeat([0, 1], [29, 1]), columns, BINARY)
    assert found(findings, "SX102").text.startswith("1 row of the rarest class for 2 coefficients")


def test_few_rows_for_each_coefficient_is_a_warning_with_the_ratio():
    X, columns = learned(plain(30))
    finding = found(examine(X, np.repeat([0, 1], [20, 10]), columns, BINARY), "SX102")
    assert finding.level == "warning"
    assert "10 rows of the rarest class for 2 coefficients: 5.0 for each" in finding.text


def test_columns_left_out_are_named_with_their_reasons():
    data = plain() | {"unit": ["mg"] * ROWS, "age_again": plain()["age"]}
    X, columns = learned(data)
    finding = found(examine(X, noise(), columns, BINARY), "SX103")
    assert "'unit' (constant" in finding.text
    assert "'age_again'" in finding.text


def test_a_column_dropped_by_the_user_is_no_finding():
    X, columns = learned(plain() | {"secret": noise()}, drop=["secret"])
    assert examine(X, noise(), columns, BINARY) == []


@pytest.mark.parametrize("sign", [1, -1])
def test_a_column_that_gives_the_answer_away_is_named(sign: int):
    y = noise()
    X, columns = learned(plain() | {"bill": sign * y + draw().normal(0, 0.1, ROWS)})
    finding = found(examine(X, y, columns, BINARY), "SX104")
    assert finding.level == "warning"
    assert finding.text == "'bill' tells class 'yes' (AUC 1.0000)."


def test_a_column_with_one_mistake_is_not_said_to_make_none():
    y = np.arange(60_000) % 2
    bill = y + np.where(np.arange(60_000) == 0, 1.0, 0.0)
    X, columns = learned({"bill": bill, "old": bill > 0})
    assert found(examine(X, y, columns, BINARY), "SX104").text.startswith("'bill' tells class 'yes' (AUC 0.99998)")
    mostly = learned({"old": np.arange(60_000) > 0, "x": bill})[1]
    assert dict(mostly.describe())["old"] == "true or false, 99.998% true"


def test_a_strong_honest_column_is_not_called_the_answer():
    y = noise()
    X, columns = learned(plain() | {"marker": y + draw().normal(0, 0.5, ROWS)})
    assert examine(X, y, columns, BINARY) == []


def test_with_many_classes_a_telling_column_is_only_a_note():
    y = np.arange(ROWS) % 3
    X, columns = learned(plain() | {"petal": np.where(y == 2, 9.0, 0.0) + draw().random(ROWS)})
    finding = found(examine(X, y, columns, Target("species", ["a", "b", "c"])), "SX104")
    assert (finding.level, finding.text) == ("note", "'petal' tells class 'c' (AUC 1.0000).")


def test_a_class_of_few_rows_is_not_judged_by_one_column():
    y = np.zeros(ROWS, dtype=int)
    y[np.argsort(plain()["age"])[-3:]] = 1
    X, columns = learned(plain())
    assert "SX104" not in {finding.code for finding in examine(X, y, columns, BINARY)}


def test_a_column_that_is_the_number_to_predict_is_named():
    y = draw(5).normal(size=ROWS)
    X, columns = learned(plain() | {"cents": 100 * y})
    finding = found(examine(X, y, columns, Target("euros", [])), "SX104")
    assert "'cents'" in finding.text


def test_a_level_of_one_class_is_named_with_its_rows():
    y = noise()
    ward = np.where(y == 1, np.where(draw().random(ROWS) < 0.3, "intensive", "general"), "general")
    X, columns = learned(plain() | {"ward": ward.tolist()})
    finding = found(examine(X, y, columns, BINARY), "SX105")
    assert f"all {(ward == 'intensive').sum()} rows with 'ward = intensive' are 'yes'" in finding.text


def pure_of(cells: dict[str, Any], y: Any) -> str:
    X, columns = learned(plain() | cells)
    return found(examine(X, y, columns, BINARY), "SX105").text


def test_the_level_that_others_are_coded_against_is_named_too():
    y = noise(rate=0.2)
    ward = np.where(draw().random(ROWS) < 0.6, "general", "day")
    y[ward == "general"] = 0
    assert (
        pure_of({"ward": ward.tolist()}, y) == f"all {(ward == 'general').sum()} rows with 'ward = general' are 'no'."
    )


@pytest.mark.parametrize(("no", "yes"), [(False, True), (0, 1), (0.0, 1.0), ("false", "true")])
@pytest.mark.parametrize("gaps", [0, 30])
def test_both_sides_of_true_and_false_and_of_0_and_1_are_asked(no: Any, yes: Any, gaps: int):
    smokes = draw().random(ROWS) < 0.4
    there = np.arange(ROWS) >= gaps
    cells = [(yes if smokes[i] else no) if there[i] else None for i in range(ROWS)]
    words = isinstance(no, bool | str)
    for side, name in ((smokes, "true" if words else "1"), (~smokes, "false" if words else "0")):
        y = noise()
        y[side & there] = 1
        assert pure_of({"smokes": cells}, y) == f"all {(side & there).sum()} rows with 'smokes = {name}' are 'yes'."


def test_rows_with_a_cell_and_rows_without_are_levels_too():
    gone = draw().random(ROWS) < 0.3
    age = [None if gone[i] else number for i, number in enumerate(plain()["age"].tolist())]
    for side, which in ((gone, "with"), (~gone, "without")):
        y = noise()
        y[side] = 0
        assert pure_of({"age": age}, y) == f"all {side.sum()} rows {which} 'age is missing' are 'no'."


def test_levels_of_dates_are_asked_and_missing_dates_are_none_of_them():
    months = np.where(draw().random(ROWS) < 0.8, 1, 2)
    gone = draw(7).random(ROWS) < 0.1
    dates = [None if gone[i] else dt.date(2024, months[i], 1 + i % 28) for i in range(ROWS)]
    y = noise()
    y[(months == 1) & ~gone] = 1
    X, columns = learned(plain() | {"seen": dates}, date=["month"])
    finding = found(examine(X, y, columns, BINARY), "SX105")
    assert finding.text == f"all {((months == 1) & ~gone).sum()} rows with 'seen: month = Jan' are 'yes'."


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), st.integers(0, 2)), min_size=3, max_size=12),
    st.booleans(),
)
def test_pure_levels_are_those_that_counting_finds(drawn: list[tuple[str | None, int]], sparse: bool):
    cells, kinds = [level for level, _ in drawn] * 12, np.array([k for _, k in drawn] * 12)
    X, columns = learned({"number": np.arange(len(cells)) / 7, "ward": cells})
    told = pure_levels(csr_array(X) if sparse else X, kinds, columns, Target("ill", ["x", "y", "z"]))
    wards = pd.Series(cells).fillna("missing").to_numpy()
    expected = set()
    for ward in np.unique(wards):
        inside = kinds[wards == ward]
        if len(np.unique(inside)) == 1 and np.mean(kinds == inside[0]) ** len(inside) < 1e-6:
            which = "'ward is missing'" if ward == "missing" else f"'ward = {ward}'"
            expected.add(f"all {len(inside)} rows with {which} are {'xyz'[inside[0]]!r}")
    if len(set(cells)) > 1:
        assert set(told) == expected


def test_a_level_of_one_class_by_chance_is_no_finding():
    level = ["rare"] * 5 + ["common"] * (ROWS - 5)
    y = noise()
    y[:5] = 1
    X, columns = learned(plain() | {"ward": level})
    assert examine(X, y, columns, BINARY) == []


def test_collinear_columns_are_named_together():
    data = plain()
    X, columns = learned(data | {"age_in_months": 12 * data["age"] + draw().normal(0, 0.1, ROWS)})
    finding = found(examine(X, noise(), columns, BINARY), "SX106")
    assert "'age', 'age_in_months'" in finding.text
    assert "dose" not in finding.text


def test_numbers_far_from_all_others_are_named_with_their_rows_and_how_to_read_them_as_missing():
    data = plain()
    data["age"][[3, 50, 51]] = -9999
    data['the patient\'s "dose"'] = np.where(np.arange(ROWS) == 9, 1e10, data.pop("dose"))
    data["paid"] = [f"1,{i % 7}00.5" for i in range(ROWS - 1)] + ["99,999,999"]
    X, columns = learned(data)
    finding = found(examine(X, noise(), columns, BINARY), "SX116")
    low, high = np.delete(data["age"], [3, 50, 51]).min(), data["age"].max()
    assert finding.text.startswith(
        f"of 600 training rows, 'age' holds -9999 in 3 rows (the others from {low:.6g} to {high:.6g}), "
    )
    assert "dose" in finding.text
    assert "99999999 in 1 row (the others from 1000.5 to 1600.5)" in finding.text
    option, query = shlex.split(finding.remedy[finding.remedy.index("--query") :])
    assert (option, query) == (
        "--query",
        'select * replace (nullif("age", -9999) as "age", '
        'nullif("the patient\'s ""dose""", 10000000000) as "the patient\'s ""dose""") from "FILE".',
    )
    some = found(examine(X, noise(), columns, BINARY, counts=np.array([900, 300])), "SX116")
    assert some.text.startswith("of a sample of 600 training rows, ")


@given(st.lists(st.floats(1, 50)), st.sampled_from([(-9999.0,), (9999.0,), (-9999.0, 9999.0)]), st.integers(1, 4))
def test_a_code_is_found_at_either_end_or_both_in_whatever_order(more, ends, times):
    others = [*range(8), *more]
    numbers = np.random.default_rng(0).permutation([*others, 51.0, *ends * times])
    assert far_of(numbers) == [(end, times, 0.0, 51.0) for end in ends]


def test_numbers_that_spread_far_or_are_few_or_missing_are_no_codes():
    heavy = np.exp(2 * draw().normal(size=ROWS))
    filled = np.where(np.arange(ROWS) % 3 == 0, np.nan, draw().normal(1e6, 1.0, size=ROWS))
    data = {"heavy": heavy, "score": draw().integers(1, 10, size=ROWS), "flag": draw().integers(2, size=ROWS)}
    data |= {"old": draw().integers(17, 100, size=ROWS), "five": draw().choice([0, 1, 2, 3, 999], ROWS)}
    X, columns = learned(data | {"filled": filled.tolist()})
    assert "SX116" not in {finding.code for finding in examine(X, noise(), columns, BINARY)}


def test_the_query_that_a_finding_tells_reads_the_code_as_missing(run):
    frame = pd.DataFrame({"temp": np.round(draw().normal(11, 6, size=200), 1), "fog": noise(200)})
    frame.loc[[4, 5, 6, 90], "temp"] = -9999
    frame.to_csv("fogs.csv", index=False)
    out = " ".join(run("fit", "fogs.csv", "--target", "fog")[1].split())
    assert read_model("model.json").columns.columns[0].missing == 0
    query = re.search(r"--query '(.*?)'", out)[1].replace("FILE", "fogs.csv")
    code, out, _ = run("fit", "--query", query, "--target", "fog")
    assert (code, "SX116" in out) == (0, False)
    assert read_model("model.json").columns.columns[0].missing > 0
    frame.replace(-9999, np.nan).to_csv("emptied.csv", index=False)
    for command in ("predict", "evaluate"):
        by_query = run(command, "model.json", "--query", query)
        emptied = run(command, "model.json", "emptied.csv")
        assert by_query == (0, emptied[1].replace("emptied.csv", "the query"), emptied[2])
        assert by_query[1] != run(command, "model.json", "fogs.csv")[1].replace("fogs.csv", "the query")


def test_separated_classes_without_a_penalty_are_a_warning():
    X, columns = learned(plain())
    y = noise()
    p = np.column_stack([1 - 0.98 * y - 0.01, 0.98 * y + 0.01])
    finding = found(examine(X, y, columns, BINARY, probabilities=p, C=None), "SX107")
    assert finding.level == "warning"
    assert "all 600 training rows" in finding.text
    penalised = found(examine(X, y, columns, BINARY, probabilities=p, C=1.0), "SX107")
    assert (penalised.level, penalised.remedy[:20]) == ("note", "The penalty (C = 1) ")


def test_certain_probabilities_without_a_penalty_are_counted():
    X, columns = learned(plain())
    p = np.full((ROWS, 2), 0.5)
    p[:7] = [1.0, 0.0]
    assert "7 of 600" in found(examine(X, noise(), columns, BINARY, probabilities=p), "SX107").text
    assert examine(X, noise(), columns, BINARY, probabilities=p, C=1.0) == []


def test_a_gap_above_the_tolerance_or_unknown_is_a_warning():
    X, columns = learned(plain())
    finding = found(examine(X, noise(), columns, BINARY, gap=2e-5, tol=1e-8), "SX108")
    assert "2e-05" in finding.text
    assert "1e-08" in finding.text
    assert found(examine(X, noise(), columns, BINARY, gap=float("nan")), "SX108").level == "warning"


def test_a_gap_of_the_fits_that_chose_c_is_a_warning_of_its_own():
    X, columns = learned(plain())
    finding = found(examine(X, noise(), columns, BINARY, choosing_gap=3e-2, tol=1e-8), "SX108")
    assert "of the fits that chose C, the worst is about 0.03 above its optimum" in finding.text
    assert examine(X, noise(), columns, BINARY, choosing_gap=1e-9, tol=1e-8) == []


def test_more_iterations_are_asked_of_those_fits_alone_that_take_them():
    X, columns = learned(plain())
    remedies = [
        found(examine(X, noise(), columns, BINARY, gap=1.0, iterates=iterates), "SX108").remedy
        for iterates in (True, False)
    ]
    assert ["--max-iter" in remedy for remedy in remedies] == [True, False]


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e9])
def test_the_tolerance_of_numbers_is_a_share_of_their_variance(unit: float):
    X, columns = learned(plain())
    y, target = unit * draw(5).normal(size=ROWS), Target("cost", [])
    assert examine(X, y, columns, target, gap=1e-9 * unit**2) == []
    assert found(examine(X, y, columns, target, gap=1e-7 * unit**2), "SX108").level == "warning"


def test_notes_of_encoding_and_rows_without_a_target_are_passed_on():
    X, columns = learned(plain())
    note = "column 'city': 3 rows hold 1 value unseen at fit (Oslo); counted as 'Bergen'"
    findings = examine(X, noise(), columns, BINARY, notes=[note], unlabelled=4)
    assert found(findings, "SX109").text == f"{note}."
    assert found(findings, "SX110").text.startswith("4 rows have no target")


def test_a_model_worse_than_its_baseline_is_a_warning():
    X, columns = learned(plain())
    held_out = evaluate_classes([0, 1, 0], [[0.1, 0.9], [0.9, 0.1], [0.2, 0.8]], ["no", "yes"], [0.6, 0.4])
    finding = found(examine(X, noise(), columns, BINARY, evaluation=held_out), "SX111")
    assert "3 held-out rows" in finding.text
    numbers = evaluate_numbers([1.0, 2.0], [5.0, -5.0], mean=1.5)
    number = found(examine(X, draw().normal(size=ROWS), columns, Target("y", []), evaluation=numbers), "SX111")
    assert "mean squared error" in number.text


def test_an_undefined_metric_is_a_note():
    X, columns = learned(plain())
    held_out = evaluate_classes([0], [[0.9, 0.1]], ["no", "yes"], [0.6, 0.4])
    findings = examine(X, noise(), columns, BINARY, evaluation=held_out)
    assert any("no evaluated row is of class yes" in f.text for f in findings if f.code == "SX112")


def test_a_class_never_predicted_is_not_a_matter_of_more_rows():
    X, columns = learned(plain())
    never = evaluate_classes([0, 1], [[0.9, 0.1], [0.8, 0.2]], ["no", "yes"], [0.6, 0.4])
    remedy = found(examine(X, noise(), columns, BINARY, evaluation=never), "SX112").remedy
    assert remedy == "Judge by the ROC AUC, or by a threshold of your own."
    alone = evaluate_classes([0], [[0.1, 0.9]], ["no", "yes"], [0.6, 0.4])
    assert "--test-size" in found(examine(X, noise(), columns, BINARY, evaluation=alone), "SX112").remedy


@pytest.mark.parametrize(("error", "said"), [(1.2e-5, "2e-05"), (1e-3, "1e-03"), (9.4e-4, "1e-03")])
def test_a_bound_on_the_area_under_a_curve_is_rounded_up(error: float, said: str):
    X, columns = learned(plain())
    binned = replace(evaluate_classes([0, 1], np.eye(2), ["no", "yes"], [0.6, 0.4]), auc_error=error)
    finding = found(examine(X, noise(), columns, BINARY, evaluation=binned), "SX113")
    assert f"exact to {said}." in finding.text


def test_warnings_come_first_and_every_code_is_explained():
    X, columns = learned(plain(30) | {"unit": ["mg"] * 30})
    findings = examine(X, np.repeat([0, 1], [20, 10]), columns, BINARY, gap=1.0, unlabelled=1)
    levels = [finding.level for finding in findings]
    assert levels == ["warning", "warning", "note", "note"]
    assert all(len(CODES[finding.code].explanation) > 100 and finding.title for finding in findings)


def test_sparse_rows_are_examined_like_dense_ones():
    y = noise()
    X, columns = learned(plain() | {"bill": y + draw().normal(0, 0.1, ROWS), "ward": ["a", "b", "c"] * 200})
    assert examine(csr_array(X), y, columns, BINARY) == examine(X, y, columns, BINARY) != []


def test_a_leak_is_found_among_many_rows_too():
    y = noise(200_000, rate=0.01)
    X, columns = learned(plain(200_000) | {"bill": y + draw().normal(0, 0.1, 200_000)})
    assert "'bill'" in found(examine(X, y, columns, BINARY), "SX104").text
