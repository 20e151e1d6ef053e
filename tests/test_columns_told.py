"""What a user tells the command about columns reaches the model, and new rows are treated by it."""

import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import separatrix
from seldom import seldom
from separatrix import Columns, LinearRegression, LogisticRegression, logit
from separatrix.data.tables.columns import Category, Date, LeftOut, Number, Text
from separatrix.errors import ArgumentError, CellError, ColumnError, SeparatrixWarning, TargetError
from separatrix.export.json import read_model
from separatrix.options import names


@pytest.fixture(autouse=True)
def a_folder_with_orders(run):
    """The folder that the command runs in holds orders.csv."""
    Path("orders.csv").write_text(orders())


def orders(rows=300):
    """Dates, prices with a currency, cities of which some are rare, and comments."""
    rng = np.random.default_rng(0)
    lines = ["ordered,price,city,comment,late"]
    for i in range(rows):
        day = np.datetime64("2023-01-01") + np.timedelta64(int(rng.integers(0, 365)), "D")
        hurry = rng.random() < 0.5
        said = f"{'please hurry with this one' if hurry else 'take all the time you need'} {i} many thanks"
        city = f"c{rng.geometric(0.2)}" if i else "c99"
        lines.append(f'{day},"${rng.lognormal(7, 1):,.2f}",{city},{said},{int(rng.random() < 0.3 + 0.5 * hurry)}')
    return "\n".join(lines) + "\n"


def test_each_column_becomes_what_it_looks_like(run):
    code, out, _ = run("fit", "orders.csv", "--target", "late")
    kinds = {column.name: type(column) for column in read_model("model.json").columns.columns}
    assert code == 0
    assert kinds == {"ordered": Date, "price": Number, "city": Category, "comment": LeftOut}
    assert "written like 1,234.5" in out
    assert " ".join(out.split()).count("--text comment uses its words") == 2  # of the column, and among the findings
    assert "Columns(" not in out


def test_every_decision_can_be_overruled(run):
    told = "--text comment --text-width 64 --floor 0.1 --date month,year --categorical price --drop ordered"
    code, out, err = run("fit", "orders.csv", "--target", "late", *told.split())
    assert (code, "too many" in err) == (0, False)
    columns = {column.name: column for column in read_model("model.json").columns.columns}
    assert columns["comment"] == Text("comment", 64)
    assert columns["city"].floor == 23
    assert columns["ordered"].reason == "dropped by the user"
    assert "pooled as 'other'" in out
    run("fit", "orders.csv", "--target", "late", "--date", "month,year")
    assert list(read_model("model.json").columns.columns[0].parts) == ["month"]
    run("fit", "orders.csv", "--target", "late", "--date", "none")
    assert isinstance(read_model("model.json").columns.columns[0], LeftOut)


def test_the_words_of_a_text_predict(run):
    code, out, _ = run("fit", "orders.csv", "--target", "late", "--text", "comment", "--drop", "ordered,price,city")
    assert code == 0
    assert "hashed to 4,096 features" in out
    code, out, _ = run("evaluate", "model.json", "orders.csv")
    assert code == 0


@pytest.mark.parametrize("weighed", [(), ("--weight", "w")])
@pytest.mark.parametrize("way", [(), ("--stream",)])
def test_how_far_a_column_is_from_zero_changes_no_penalty_beside_a_text(run, way, weighed):
    rng = np.random.default_rng(0)
    x, words = rng.normal(size=600).round(4), rng.choice(["good day here", "bad thing now", "so so"], 600)
    table = pd.DataFrame({"x": x, "t": words, "w": rng.integers(1, 4, 600), "y": 1 * (x + rng.logistic(size=600) > 0)})
    near = coefficient_of_x(run, table, *way, *weighed)
    assert coefficient_of_x(run, table.assign(x=x + 1e8), *way, *weighed) == pytest.approx(near, rel=1e-6)


LABELS = {
    "a category": ("--target", "y", "--categorical", "v", "--drop", "day"),
    "a text": ("--target", "y", "--text", "v,day", "--text-width", "64"),
    "a cluster": ("--target", "y", "--inference", "--cluster", "v", "--drop", "day"),
    "classes": ("--target", "v", "--drop", "day"),
}


@pytest.mark.parametrize("told", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("way", [(), ("--stream",)])
def test_what_is_called_a_label_is_read_as_it_is_written(run, told, way):
    rng = np.random.default_rng(0)
    v, x = rng.choice(["1.1", "1.10", "1.2", "2"], 400), rng.normal(size=400)
    day = [f"2024-0{month}-01 00:00:00" for month in rng.integers(1, 10, 400)]
    table = pd.DataFrame({"v": v, "day": day, "x": x, "y": 1 * (x + 2 * (v == "1.10") + rng.logistic(size=400) > 0)})
    table.to_csv("rows.csv", index=False)
    table.to_parquet("rows.parquet")
    models = []
    for data in ("rows.parquet", "rows.csv"):
        assert run("fit", data, *told, *way)[0] == 0
        models.append(read_model("model.json"))
    text, read = models
    assert (read.columns.feature_names, read.target) == (text.columns.feature_names, text.target)
    np.testing.assert_allclose(read.coefficients, text.coefficients, rtol=1e-6)
    assert (read.errors is None) == ("--cluster" not in told)
    if read.errors and text.errors:
        np.testing.assert_allclose(read.errors.covariance, text.errors.covariance, rtol=1e-6)


def test_a_number_is_none_of_two_labels_that_are_it(run):
    v, x = np.resize(["1.1", "1.10", "1.2"], 300), np.random.default_rng(0).normal(size=300).round(3)
    rows = [f"{a},{b},{'no' if a == '1.1' else 'yes'}" for a, b in zip(v, x, strict=True)]
    Path("rows.csv").write_text("\n".join(["v,x,y", *rows, ""]))
    model = LogisticRegression().fit("rows.csv", target="y", columns=Columns(categorical=["v"]))
    assert model.score("rows.csv") == 1.0
    by_label = LogisticRegression().fit("rows.csv", target="v", columns=Columns(drop=["y"]))
    for fitted in (model, by_label):
        with pytest.raises(
            CellError, match=r"column 'v', row 1.*: 1\.1 is what several labels are, .* give them as text"
        ):
            fitted.score(pd.read_csv("rows.csv"))
    assert len(model.predict(pd.read_csv("rows.csv").query("v == 1.2"))) == 100


@pytest.mark.parametrize(
    ("names", "told", "parted", "point"),
    [
        ([f"1.{i}" for i in range(1, 22)], ["--target", "v"], ",", "."),  # more labels than may be numbers
        (["1.1", "1.10", "1.2"], ["--target", "y", "--categorical", "v"], ";", ","),
    ],
)
def test_labels_stay_apart_among_many_and_with_decimal_commas(run, names, told, parted, point):
    v, x = np.resize(names, 630), np.random.default_rng(0).normal(size=630).round(3)
    rows = [
        parted.join([a, str(b), str(i % 3 % 2)]).replace(".", point) for i, (a, b) in enumerate(zip(v, x, strict=True))
    ]
    Path("rows.csv").write_text("\n".join([parted.join("vxy"), *rows, ""]))
    assert run("fit", "rows.csv", *told)[0] == 0
    model, labels = read_model("model.json"), sorted(name.replace(".", point) for name in names)
    assert labels == sorted(model.target.classes if told[1] == "v" else model.columns.columns[0].known)


@pytest.mark.parametrize("first", [2**53, 2**63, 2**64, 10**25])
@pytest.mark.parametrize("told", [("--target", "y", "--categorical", "v"), ("--target", "v", "--drop", "y")])
def test_whole_numbers_longer_than_those_of_doubles_stay_apart_as_labels(run, first, told):
    v, x = np.resize([str(first + i) for i in range(3)], 300), np.random.default_rng(0).normal(size=300).round(3)
    rows = [f"{a},{b},{int(a) - first == 1}" for a, b in zip(v, x, strict=True)]
    Path("rows.csv").write_text("\n".join(["v,x,y", *rows, ""]))
    assert run("fit", "rows.csv", *told)[0] == 0
    model, labels = read_model("model.json"), sorted(set(v))
    assert labels == sorted(map(str, model.target.classes if told[1] == "v" else model.columns.columns[0].known))


def test_whole_numbers_of_64_bits_keep_their_digits_though_nobody_calls_them_labels(run):
    v, x = np.resize([str(2**63 + i) for i in range(3)], 300), np.random.default_rng(0).normal(size=300).round(3)
    rows = [f"{a},{b},{i % 2}" for i, (a, b) in enumerate(zip(v, x, strict=True))]
    Path("rows.csv").write_text("\n".join(["v,x,y", *rows, ""]))
    model = logit("y ~ C(v) + x", separatrix.open("rows.csv"))
    assert list(model.names)[1:3] == [f"C(v)[T.{2**63 + i}]" for i in (1, 2)]


def coefficient_of_x(run, table, *flags):
    table.to_csv("far.csv", index=False, float_format="%.4f")
    flags = flags if "--weight" in flags else (*flags, "--drop", "w")
    assert run("fit", "far.csv", "--target", "y", "--text", "t", "--C", "0.01", "--test-size", "0", *flags)[0] == 0
    model = read_model("model.json")
    return model.coefficients[0][model.columns.feature_names.index("x")]


def test_an_unseen_level_is_refused_in_new_rows_but_not_in_those_held_out(run):
    assert run("fit", "orders.csv", "--target", "late", "--unseen", "error", "--test-size", "0.9")[0] == 0
    Path("new.csv").write_text('ordered,price,city\n2023-05-01,"$3",Mars\n2023-05-02,"$1,000",c1\n')
    code, _, err = run("predict", "model.json", "new.csv")
    assert code == 1
    assert "column 'city', row 1 of new.csv: 'Mars' was not seen at fit" in err
    run("fit", "orders.csv", "--target", "late")
    code, _, err = run("predict", "model.json", "new.csv")
    assert code == 0
    assert "1 value unseen at fit (Mars)" in err


@pytest.mark.parametrize(
    ("told", "code", "said"),
    [
        ("--text comments", 1, "Did you mean 'comment'?"),
        ("--floor -1", 2, "floor=-1.0 must be a number of rows"),
        ("--date minute", 2, "date='minute' is no part of a date"),
        ("--unseen maybe", 2, 'Choose from: "pool", "error"'),
        ("--text city --numeric city", 2, "column 'city' cannot be both numeric and text"),
        ("--numeric city", 1, "column 'city', row 1 of orders.csv: 'c99' is not a number"),
    ],
)
def test_what_has_no_meaning_is_refused_in_words(run, told, code, said):
    found, _, err = run("fit", "orders.csv", "--target", "late", *told.split())
    assert found == code
    assert said in err


@pytest.mark.parametrize("way", [(), *seldom((("--stream",),))])
def test_a_column_that_turns_from_file_to_file_is_a_finding_with_its_row(run, way):
    random = np.random.default_rng(0)
    for name, k in (("k-1.csv", lambda row: row % 9), ("k-2.csv", lambda row: "v3")):
        rows = [f"{k(row)},{random.normal():.3f},{row * 7 % 5 % 2}" for row in range(200)]
        Path(name).write_text("\n".join(["k,x,y", *rows, ""]))
    code, out, _ = run("fit", "k-*.csv", "--target", "y", *way)
    assert code == 0
    assert "'k' holds numbers at first, and text from row 1 of k-2.csv on ('v3')" in " ".join(out.split())
    assert "SX114" not in run("fit", "k-*.csv", "--target", "y", "--categorical", "k", *way)[1]
    with pytest.warns(SeparatrixWarning, match="column 'k' holds numbers at first, and text from row 1 of k-2.csv"):
        LogisticRegression().fit("k-*.csv", target="y")


def test_a_remedy_is_an_argument_in_python_and_a_flag_in_a_terminal(run):
    rows = [f"{i}.5,{i % 2},{i / 8}" for i in range(200)]
    Path("a.csv").write_text("\n".join(["my x,y,z", *rows, "oops,1,0.3", ""]))
    with pytest.raises(CellError, match=r"row 201 of a.csv: 'oops' .* with Columns\(categorical=\['my x'\]\)\.$"):
        LogisticRegression().fit("a.csv", target="y")
    assert run("fit", "a.csv", "--target", "y")[2].endswith("fix the cell, or fit with --categorical 'my x'.\n")
    with pytest.raises(TargetError, match="more than classes; use a linear regression"):
        LogisticRegression().fit("a.csv", target="z")
    assert "more than classes; pass --regression." in run("fit", "a.csv", "--target", "z")[2]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('a, "b, c" ,d', ["a", "b, c", "d"]),
        ('"say ""x""",b', ['say "x"', "b"]),
        ('a"b,"c', ['a"b', '"c']),
        ("two\nlines, a", ["two\nlines", "a"]),
        (" , ", []),
    ],
)
def test_names_are_parted_by_commas_but_for_those_in_quotes(text, found):
    assert names(text) == found


def test_a_name_that_holds_a_comma_is_told_in_double_quotes_as_its_remedy_is(run):
    rows = [f"{i}.5,{i % 7},{i % 2}" for i in range(200)]
    Path("a.csv").write_text("\n".join(['"income, yearly",z,y', *rows, "oops,1,0", ""]))
    remedy = run("fit", "a.csv", "--target", "y")[2].rpartition("fit with ")[2].rstrip(".\n")
    assert shlex.split(remedy) == ["--categorical", '"income, yearly"']
    assert run("fit", "a.csv", "--target", "y", *shlex.split(remedy))[0] == 0
    message = run("fit", "a.csv", "--target", "y", "--drop", 'z, "income, yearly"')[2]
    assert "can be learned from: 'income, yearly' (left out: dropped by the user), 'z' (left out" in message


@pytest.mark.parametrize(
    "door",
    [
        lambda twins: Columns().fit(twins),
        separatrix.open,
        lambda twins: LogisticRegression().fit(twins, target="y"),
        lambda twins: LogisticRegression().fit(twins, [0, 1, 0]),
        lambda twins: Columns().fit(twins[["y"]]).transform(twins),
    ],
)
def test_a_dataframe_with_two_columns_of_one_name_is_refused_in_a_line(door):
    twins = pd.DataFrame([[1.0, 2.0, 0], [2.0, 1.0, 1], [3.0, 3.0, 0]], columns=["a", "a", "y"])
    with pytest.raises(ColumnError, match=r"^2 columns have the name 'a': rename them, or leave all but one out.$"):
        door(twins)


@pytest.mark.parametrize("argument", ["drop", "categorical", "numeric", "text"])
@pytest.mark.parametrize("name", [3, None, ["a"]])
def test_a_column_is_named_by_text(argument, name):
    with pytest.raises(ArgumentError, match=rf"^{argument}=.* names of columns are text, such as 'age', or 'x3'"):
        Columns(**{argument: [name]}).fit(np.eye(4))


def test_labels_with_fractions_are_no_classes_in_a_table_as_in_arrays():
    frame = pd.DataFrame({"x": np.arange(40.0), "size": np.where(np.arange(40) % 3, 1.5, 1.0)})
    for given, says in (((frame[["x"]], frame["size"]), "y"), ((frame,), "target 'size'")):
        with pytest.raises(TargetError, match=f"Unknown label type: {says} holds numbers such as 1.5, no classes"):
            LogisticRegression().fit(*given, target=None if len(given) > 1 else "size")


def test_a_table_is_scored_by_its_own_target(tmp_path):
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"x": random.normal(size=300), "c": random.choice(["u", "v"], 300), "w": np.arange(300) % 3})
    frame["y"] = np.where(frame["x"] + (frame["c"] == "u") + random.normal(size=300) > 0, "yes", "no")
    frame.to_parquet(tmp_path / "data.parquet")
    data = separatrix.open(str(tmp_path / "data.parquet"))
    for model, target in ((LogisticRegression(), "y"), (LinearRegression(), "x")):
        model.fit(data, target=target, columns=Columns(drop=["w"]))
        expected = model.score(data, frame[target])
        assert model.score(data) == model.score(frame) == model.score(tmp_path / "data.parquet") == expected
        by_weight = model.score(frame, frame[target], sample_weight=frame["w"])
        assert model.score(data, sample_weight="w") == pytest.approx(by_weight)
    with pytest.raises(ArgumentError, match="y=None: give the y of these rows"):
        LogisticRegression().fit(frame[["x"]], frame["y"]).score(frame[["x"]])
