"""The command, asked as a user asks it: what it prints, what it writes, and how it says no."""

import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import separatrix
from seldom import seldom
from separatrix.cli import score
from separatrix.export.json import read_model


def customers(rows=200, seed=0):
    """A CSV with a number, a category, gaps, and a target that depends on both."""
    random = np.random.default_rng(seed)
    age, city = random.integers(18, 80, rows), random.choice(["Rome", "Oslo", "Bergen"], rows)
    eta = (age - 50) / 10 + (city == "Oslo") + random.logistic(size=rows)
    cells = [
        ("" if i % 17 == 0 else str(a), c, "yes" if e > 0 else "no")
        for i, (a, c, e) in enumerate(zip(age, city, eta, strict=True))
    ]
    return "age,city,left\n" + "".join(",".join(row) + "\n" for row in cells)


def written(text, name="data.csv"):
    Path(name).write_text(text)
    return name


def test_help_answers_before_anything_heavy_is_imported():
    heavy = "numpy", "sklearn", "duckdb", "matplotlib", "pyarrow"
    program = f"import sys, separatrix.cli; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.strip() == "[]"


def test_a_fit_waits_for_no_library_that_it_does_not_use(tmp_path):
    unused = "sklearn", "scipy.optimize"
    program = f"import sys, separatrix.cli as c; c.main(); print([name for name in {unused} if name in sys.modules])"
    (tmp_path / "data.csv").write_text(customers())
    command = [sys.executable, "-c", program, "fit", "data.csv", "--target", "left"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout.endswith("\n[]\n")


@pytest.mark.parametrize(
    ("data", "C"), [("breast_cancer", "0.05"), *seldom(("digits", "0.05")), ("diabetes", "0.0003")]
)
def test_an_l1_penalty_leaves_coefficients_out_and_says_how_many(run, data, C):
    code, out, err = run("fit", data, "--l1-ratio", "0.5", "--C", C)
    assert (code, err.count("Traceback")) == (0, 0)
    coefficients = np.array(json.loads(Path("model.json").read_text())["model"]["coefficients"])
    zeros = f"{np.count_nonzero(coefficients == 0):,} of {coefficients.size:,} coefficients are exactly zero"
    assert f"C = {C}, l1_ratio = 0.5" in out
    assert zeros in out
    assert zeros in Path("report.html").read_text()
    assert 0 < np.count_nonzero(coefficients == 0) < coefficients.size


@pytest.mark.parametrize(
    ("given", "by", "folds"),
    [(["--cv"], "5 folds", 5), *seldom((["--cv", "3"], "3 folds", 3)), (["--cv", "loo"], "leave-one-out", 1)],
)
def test_cv_chooses_C_on_rows_left_out_and_says_how(run, tmp_path, given, by, folds):
    code, out, _ = run("fit", "breast_cancer", *given)
    record = json.loads(Path("model.json").read_text())["model"]["fit"]
    losses = np.array(record["choice"]["losses"])
    assert code == 0
    assert losses.shape == (folds, len(record["choice"]["Cs"]))
    assert record["C"] == pytest.approx(record["choice"]["Cs"][losses.mean(axis=0).argmin()])
    assert record["choice"]["by"] == by
    assert f"was chosen of 17 by {by}" in " ".join(out.split())
    report = Path("report.html").read_text()
    assert "Choice of C" in report
    assert ("thin lines are folds" in report) == (folds > 1)


@pytest.mark.parametrize(
    ("data", "given", "said"),
    [
        ("iris", ["--cv", "1"], "cv=1 must be a whole number of at least 2 folds, or loo"),
        ("iris", ["--cv", "--C", "1"], "C=1 is given, and cv=5 is to choose it"),
        ("diabetes", ["--cv"], "cv=5 chooses C for classes"),
        ("iris", ["--cv", "few"], "cv=few must be a whole number of folds, or loo"),
        ("iris", ["--cv", "2.5"], "cv=2.5 must be a whole number of folds, or loo"),
        ("iris", ["--seed", "2.5"], "Invalid value for --seed: 2.5 is no whole number."),
        ("iris", ["--max-iter", "many"], "Invalid value for --max-iter: many is no whole number."),
        ("iris", ["--cv", "5", "--cv", "10"], "cv is given 2 times, 5 and 10: leave out all but one"),
        ("iris", ["--cv", "112"], "cv=112 is more folds than the 111 rows to train on: use fewer, or 'loo'"),
    ],
)
def test_a_choice_that_cannot_be_made_is_refused_in_words(run, data, given, said):
    code, _, err = run("fit", data, *given)
    assert code == 2
    assert said in err
    assert err.count("\n") == 1


CONTRADICTIONS = {
    "--drop left": "column 'left' cannot be both target and drop; name it once",
    "--categorical left": "column 'left' is the target, and categorical is for features; name it once",
    "--stream --numeric left": "column 'left' is the target, and numeric is for features; name it once",
    "--weight age --numeric age": "column 'age' is no feature, and numeric is for features; name it once",
    "--offset age --text age": "column 'age' is no feature, and text is for features; name it once",
    "--numeric city --categorical city": "column 'city' cannot be both categorical and numeric; name it once",
    "--drop city --categorical city": "column 'city' cannot be both drop and categorical; name it once",
    "--C inf --l1-ratio 0.5": "l1_ratio=0.5 is a share of the penalty, and there is none: give a finite C",
    "--regression --l1-ratio 0.5": "l1_ratio=0.5 is a share of the penalty, and there is none: give a finite C",
    "--regression --tol 0.1": "tol=0.1 is for classes, and a regression is solved without: leave it out",
    "--regression --max-iter 7": "max_iter=7 is for classes, and a regression is solved without: leave it out",
    "--query x": "data='data.csv', query='x': give one of the two",
    "--database x": "database='x' needs a query",
}


@pytest.mark.parametrize("name", ["none.duckdb", "data.csv"])
def test_what_is_no_database_is_told_that_one_is_wanted(run, name):
    written(customers())
    code, _, err = run("fit", "--query", "select 1", "--database", name, "--target", "left")
    assert (code, err.count("\n")) == (1, 1)
    assert "ame a database of DuckDB" in err


@pytest.mark.parametrize("flags", CONTRADICTIONS)
def test_what_contradicts_itself_is_refused_in_one_line(run, flags):
    code, _, err = run("fit", written(customers()), "--target", "left", *flags.split())
    assert (code, err.count("\n")) == (2, 1)
    assert CONTRADICTIONS[flags] in err


@pytest.mark.parametrize("others", [["a"], ["a", "b"]])
@pytest.mark.parametrize("cv", ["5", "loo"])
def test_a_class_of_one_row_to_train_on_leaves_nothing_to_choose_C_by(run, others, cv):
    labels = ["rare", *(others * 30)[:30]]
    data = written("x,y\n" + "".join(f"{i % 7}.5,{label}\n" for i, label in enumerate(labels)))
    code, _, err = run("fit", data, "--target", "y", "--cv", cv)
    assert (code, err.count("\n")) == (1, 1)
    assert "class 'rare' has one row to train on" in err


@pytest.mark.parametrize("more", [[], ["--inference"], ["--stream"], ["--cv"]])
@pytest.mark.parametrize("others", [["a"], ["a", "b"]])
def test_a_class_that_weighs_nothing_is_refused_by_name(run, others, more):
    labels = ["none", *others] * 20
    data = written("x,w,y\n" + "".join(f"{i % 7}.5,{int(label != 'none')},{label}\n" for i, label in enumerate(labels)))
    code, _, err = run("fit", data, "--target", "y", "--weight", "w", *more)
    assert (code, err.count("\n")) == (1, 1)
    assert "class 'none' of target 'y' has weight 0 in every row" in err


def test_the_title_says_of_a_regression_on_commas_how_they_were_read(run):
    rows = "".join(f'{row % 9},"{row % 7 + 1},{row % 900 + 100}"\n' for row in range(40))
    _, out, _ = run("fit", written(f"size,price\n{rows}"), "--target", "price", "--regression")
    assert "price, a number, a comma taken to part thousands as no cell tells" in out


@pytest.mark.parametrize("folds", ["3", "loo"])
def test_fits_that_chose_c_and_stopped_early_are_a_finding(run, folds):
    _, out, _ = run("fit", "breast_cancer", "--cv", folds, "--max-iter", "1")
    assert "fits that chose C, the worst is about" in " ".join(out.split())
    _, out, _ = run("fit", "breast_cancer", "--cv", folds)
    assert "fits that chose C" not in " ".join(out.split())


def test_without_cv_nothing_is_said_of_a_choice(run):
    _, out, _ = run("fit", "iris")
    assert "chosen" not in out
    assert "Choice of C" not in Path("report.html").read_text()


def test_fit_iris_needs_no_target_and_writes_a_model_and_a_report(run, tmp_path):
    code, out, err = run("fit", "iris")
    assert code == 0
    for said in ("setosa", "petal width (cm)", "log loss", "baseline", "odds ratio", "newton", "150 rows"):
        assert said in out
    assert {path.name for path in tmp_path.iterdir()} == {"model.json", "report.html"}
    assert "model.json" in err


def test_a_built_in_set_is_found_though_a_folder_has_its_name(run):
    for _ in range(2):
        assert run("fit", "iris", "--out", "iris")[0] == 0


def test_the_terminal_says_what_was_done_to_each_column_and_shows_the_confusion_matrix(run):
    _, out, _ = run("fit", written(customers()), "--target", "left")
    assert "category of 3 levels" in out
    assert "filled with the mean" in " ".join(out.split())
    assert "Confusion matrix" in out


def test_a_fitted_model_predicts_and_is_judged_on_new_rows(run, fitted):
    fitted("data.csv", "--target", "left", table=customers())
    code, out, _ = run("predict", "model.json", written(customers(50, seed=1), "new.csv"))
    lines = out.splitlines()
    assert (code, len(lines)) == (0, 51)
    assert lines[0].replace('"', "") == "row,prediction,P(no),P(yes)"
    row, label, no, yes = lines[1].replace('"', "").split(",")
    assert (row, label) == ("1", "yes" if float(yes) > float(no) else "no")
    assert float(no) + float(yes) == pytest.approx(1)
    code, out, _ = run("evaluate", "model.json", "new.csv")
    assert code == 0
    assert "ROC AUC" in out
    assert "Confusion matrix" in out


def test_rows_without_a_target_are_left_out_of_what_a_model_is_judged_by_and_counted(run):
    header, *lines = Path(written(customers(60))).read_text().splitlines()
    assert run("fit", "data.csv", "--target", "left")[0] == 0
    place = header.split(",").index("left")
    gaps = [",".join("" if j == place else cell for j, cell in enumerate(line.split(","))) for line in lines[:5]]
    written("\n".join([header, *lines[5:]]) + "\n", "known.csv")
    written("\n".join([header, *gaps, *lines[5:]]) + "\n", "some.csv")
    (_, known, _), (code, found, note) = (
        run("evaluate", "model.json", "known.csv"),
        run("evaluate", "model.json", "some.csv"),
    )
    assert code == 0
    assert "5 rows without a target left out" in note
    assert found.replace("some.csv", "known.csv") == known


@pytest.mark.parametrize("regression", [[], ["--regression"]], ids=["classes", "numbers"])
def test_rows_of_weight_zero_have_a_target_and_are_not_judged_by(run, regression):
    random = np.random.default_rng(0)
    x, weight = random.normal(size=120), np.arange(120) % 4
    y = x + random.normal(size=120) if regression else np.where(x + random.normal(size=120) > 0, "yes", "no")
    table = pa.table({"x": x, "y": y, "w": weight})
    pq.write_table(table, "data.parquet")
    assert run("fit", "data.parquet", "--target", "y", "--weight", "w", *regression)[0] == 0
    code, out, err = run("evaluate", "model.json", "data.parquet")
    assert code == 0
    assert "90 rows, by w" in " ".join(out.split())
    assert "without a target" not in err
    pq.write_table(table.set_column(2, "w", pa.array(0 * weight)), "none.parquet")
    code, _, err = run("evaluate", "model.json", "none.parquet")
    assert (code, err.count("\n")) == (1, 1)
    assert "no row has a target, and a w above 0: there is nothing to judge the model by" in err


def test_predictions_can_be_written_as_parquet_and_as_csv(run, fitted):
    fitted("data.csv", "--target", "left", table=customers())
    assert run("predict", "model.json", "data.csv", "--out", "p.parquet")[0] == 0
    assert run("predict", "model.json", "data.csv", "--out", "p.csv")[0] == 0
    table = pq.read_table("p.parquet")
    assert table.column_names == ["row", "prediction", "P(no)", "P(yes)"]
    assert Path("p.csv").read_text().count("\n") == table.num_rows + 1 == 201


def test_predictions_are_packed_as_their_name_says(run, fitted):
    fitted("data.csv", "--target", "left", table=customers())
    for name in ("p.csv", "p.csv.gz", "P.CSV.ZST"):
        assert run("predict", "model.json", "data.csv", "--out", name)[0] == 0
    plain = Path("p.csv").read_bytes()
    assert gzip.decompress(Path("p.csv.gz").read_bytes()) == plain
    assert pa.input_stream("P.CSV.ZST", compression="zstd").read() == plain


@pytest.mark.parametrize("name", ["p.xlsx", "p.json", "csv", "p.gz", "/dev/null"])
def test_a_kind_of_file_that_cannot_be_written_is_refused(run, fitted, name):
    fitted("data.csv", "--target", "left", table=customers())
    code, _, err = run("predict", "model.json", "data.csv", "--out", name)
    assert (code, err.count("\n")) == (2, 1)
    assert f"out={name} is no kind of file that can be written: let its name end in .csv, .csv.gz, .csv.zst" in err


def test_no_input_is_written_over(run, fitted):
    fitted("data.csv", "--target", "left", table=customers())
    Path("link.csv").symlink_to("data.csv")
    Path("report.html").write_text(customers())
    fitted = Path("model.json").read_bytes()
    Path("model.csv").write_bytes(fitted)
    for command in (
        ("predict", "model.json", "data.csv", "--out", "./link.csv"),
        ("predict", "model.json", "data*.csv", "--out", "data.csv"),
        ("predict", "model.csv", "data.csv", "--out", "./model.csv"),
        ("fit", "report.html", "--target", "left"),
    ):
        code, _, err = run(*command)
        assert (code, err.count("\n")) == (2, 1)
        assert "is a file to be read, and would be lost: choose another place" in err
    assert Path("data.csv").read_text() == Path("report.html").read_text() == customers()
    assert Path("model.csv").read_bytes() == fitted


def test_the_same_seed_gives_the_same_model(run):
    models = []
    for seed in (3, 3, 4):
        run("fit", "iris", "--seed", seed)
        models.append(json.loads(Path("model.json").read_text())["model"]["coefficients"])
    assert models[0] == models[1] != models[2]


def test_a_number_is_predicted_with_regression(run):
    code, out, _ = run("fit", "diabetes")
    assert code == 0
    for metric in ("R²", "root mean squared error", "mean squared error"):
        assert metric in out
    assert "odds" not in out
    code, out, _ = run("predict", "model.json", "diabetes")
    assert out.splitlines()[0].replace('"', "") == "row,prediction"


def test_one_class_can_be_set_against_the_rest(run):
    code, out, _ = run("fit", "iris", "--positive", "virginica")
    assert code == 0
    assert "not virginica" in out
    assert "66.67%" in out


def test_one_class_of_numbers_can_be_set_against_the_rest(run):
    assert run("fit", "digits", "--positive", "3", "--C", ".001", "--tol", "1e-3")[0] == 0
    assert run("predict", "model.json", "digits", "--out", "p.parquet")[0] == 0
    assert set(pq.read_table("p.parquet")["prediction"].to_pylist()) == {"not 3", "3"}


def test_classes_may_be_numbers_too_large_for_a_sign(run):
    table = pa.table({"x": [0, 3] * 40, "id": pa.array([5, 2**64 - 1] * 40, pa.uint64())})
    pq.write_table(table, "ids.parquet")
    assert run("fit", "ids.parquet", "--target", "id", "--positive", 2**64 - 1)[0] == 0
    assert run("predict", "model.json", "ids.parquet", "--out", "p.parquet")[0] == 0
    assert pq.read_table("p.parquet")["prediction"].to_pylist() == table["id"].to_pylist()
    written("x,id\n" + "0,123456789012345678901\n3,223456789012345678901\n" * 20)
    assert run("fit", "data.csv", "--target", "id")[0] == 0


@pytest.mark.slow
def test_predicted_numbers_are_of_one_type_whatever_a_batch_holds(run):
    rows = [f"{k + 0.1 * (i % 7)},{(1, 1.5, 2.5)[k]}" for k in range(3) for i in range(70_000)]
    assert run("fit", written("\n".join(["x,y", *rows])), "--target", "y", "--tol", "1e-3")[0] == 0
    assert run("predict", "model.json", "data.csv", "--out", "p.parquet")[0] == 0
    assert pq.read_table("p.parquet")["prediction"].unique().to_pylist() == [1.0, 1.5, 2.5]


def test_columns_can_be_dropped_and_the_boundary_of_two_is_drawn(run):
    assert run("fit", "iris", "--drop", "sepal length (cm), sepal width (cm)")[0] == 0
    assert "Decision boundary" in Path("report.html").read_text()
    assert run("predict", "model.json", "iris")[0] == 0


def test_without_a_penalty_separable_classes_are_a_finding_and_not_a_crash(run):
    code, out, _ = run("fit", "iris", "--positive", "setosa", "--C", "inf")
    assert code == 0
    assert "separable" in out


def test_without_a_penalty_a_level_of_one_class_is_set_aside(run):
    text = re.sub("Bergen,no", "Bergen,yes", customers())
    _, out, _ = run("fit", written(text), "--target", "left", "--C", "inf")
    assert "columns carry classes off by themselves" in " ".join(out.split())


def test_the_model_file_holds_no_training_row(run):
    text = "secret,y\n" + "".join(f"{1234.5 + i * 0.123},{i % 2}\n" for i in range(100))
    run("fit", written(text), "--target", "y")
    model = Path("model.json").read_text()
    inner = [f"{1234.5 + i * 0.123}" for i in range(1, 99)]
    assert not any(value in model for value in inner)


@pytest.mark.parametrize("query", ["select * from 'data.csv'", 'from "./data.csv"', "from read_csv(['d*.csv'])"])
def test_what_a_query_reads_is_not_written_over(run, fitted, query):
    fitted("data.csv", "--target", "left", table=customers())
    code, _, err = run("predict", "model.json", "--query", query, "--out", "data.csv")
    assert (code, err.count("\n")) == (2, 1)
    assert "out=data.csv is a file to be read, and would be lost" in err
    assert run("predict", "model.json", "--query", query, "--out", "new.csv")[0] == 0
    assert Path("data.csv").read_text() == customers()


def test_the_report_is_not_written_over_what_a_query_reads(run):
    written(customers(), "report.html")
    code, _, err = run("fit", "--query", "from read_csv('report.html')", "--target", "left")
    assert (code, err.count("\n")) == (2, 1)
    assert "report.html is a file to be read, and would be lost" in err


def test_a_file_named_like_a_built_in_set_need_not_be_a_regression(run):
    written(customers(), "diabetes")
    code, out, err = run("fit", "diabetes", "--target", "left")
    assert (code, "accuracy" in out) == (0, True), err


def test_brackets_and_colons_in_names_are_no_markup(run, monkeypatch):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")  # so that progress is shown
    Path("d[").mkdir()
    Path("d[/x]").mkdir()
    written(customers().replace("left", "cost [/kg] :tada:", 1).replace(",city", ",[red]city"), "d[/x]/data.csv")
    code, out, err = run("fit", "d[/x]/data.csv", "--target", "cost [/kg] :tada:")
    assert code == 0, err
    assert "cost [/kg] :tada:" in out
    assert "[red]city" in out
    code, _, err = run("fit", "d[/x]/data.csv", "--target", "cost [/kg] :tada")
    assert "cost [/kg] :tada:" in err


def test_output_that_is_closed_stops_nothing(run, fitted, monkeypatch):
    fitted("iris")
    for command in (["predict", "model.json", "iris"], ["fit", "iris", "--out", "new"]):
        with monkeypatch.context() as closed:
            closed.setattr(sys, "stdout", None)
            code, _, err = run(*command)
        assert (code, "Traceback" in err) == (0, False)
    assert Path("new/model.json").is_file()


REFUSALS = {
    "a missing file": (None, ["nowhere.csv", "--target", "y"], 1, ["nowhere.csv"]),
    "an empty file": ("", ["data.csv", "--target", "y"], 1, ["data.csv", "empty"]),
    "a target that is not there": (
        customers(),
        ["data.csv", "--target", "lefd"],
        1,
        ["lefd", "Did you mean 'left'"],
    ),
    "no target named": (customers(), ["data.csv"], 2, ["--target", "age, city, left"]),
    "a target of one class": ("a,y\n1,0\n2,0\n3,0\n", ["data.csv", "--target", "y"], 1, ["'y'", "one class"]),
    "as many classes as rows": (
        "a,y\n1,p\n2,q\n3,r\n",
        ["data.csv", "--target", "y"],
        1,
        ["'y'", "3 classes", "3 rows"],
    ),
    "text where a number is due": (
        "a,y\n" + "".join(f"{i},{i % 2}\n" for i in range(40)) + "old,1\n",
        ["data.csv", "--target", "y"],
        1,
        ["'a'", "row 41", "'old'"],
    ),
    "infinity": ("a,y\n1,0\ninf,1\n2,0\n3,1\n", ["data.csv", "--target", "y"], 1, ["'a'", "row 2", "inf"]),
    "a ragged row": ("a,b,y\n1,2,0\n1,2\n3,4,1\n", ["data.csv", "--target", "y"], 1, ["data.csv", "line 3"]),
    "a duplicate column": ("a,a,y\n1,2,0\n3,4,1\n", ["data.csv", "--target", "y"], 1, ["'a'"]),
    "no usable column": ("a,y\n1,0\n1,1\n1,0\n1,1\n", ["data.csv", "--target", "y"], 1, ["no column", "'a'"]),
    "a drop that is not there": (
        customers(),
        ["data.csv", "--target", "left", "--drop", "agee"],
        1,
        ["'agee'", "'age'"],
    ),
    "more than all of the penalty": (
        customers(),
        ["data.csv", "--target", "left", "--l1-ratio", "2"],
        2,
        ["l1_ratio=2"],
    ),
    "a penalty below zero": (customers(), ["data.csv", "--target", "left", "--C", "-1"], 2, ["C=-1"]),
    "a solver that is none": (
        customers(),
        ["data.csv", "--target", "left", "--solver", "magic"],
        2,
        ["magic", "newton"],
    ),
    "a misspelt option": (customers(), ["data.csv", "--targett", "left"], 2, ["--targett"]),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_bad_input_gets_one_line_that_says_what_and_where(case, run, tmp_path):
    text, arguments, expected, said = REFUSALS[case]
    if text is not None:
        written(text)
    before = set(tmp_path.iterdir())
    code, out, err = run("fit", *arguments)
    assert code == expected, err
    assert not out
    assert len(err.strip().splitlines()) == 1, err
    for words in said:
        assert words in err
    assert set(tmp_path.iterdir()) == before


def test_new_data_without_a_needed_column_names_it(run, fitted):
    fitted("data.csv", "--target", "left", table=customers())
    code, _, err = run("predict", "model.json", written("age,town\n30,Rome\n", "new.csv"))
    assert code == 1
    assert "'city'" in err
    assert "new.csv" in err


def test_an_unseen_category_says_how_many_rows_and_what_it_did(run, fitted):
    fitted("data.csv", "--target", "left", table=customers())
    code, out, err = run("predict", "model.json", written("age,city\n30,Paris\n40,Paris\n50,Oslo\n", "new.csv"))
    assert code == 0
    assert "'city': 2 rows hold 1 value unseen at fit (Paris)" in err
    assert "counted as" in err
    assert len(out.splitlines()) == 4


def test_of_any_number_of_batches_one_note_of_a_column_is_kept(fitted, run):
    fitted("data.csv", "--target", "left", table=customers())
    new = separatrix.open(pa.table({"age": [30] * 200_000, "city": [f"town {i}" for i in range(200_000)]}))
    notes = []
    for _ in score(read_model("model.json"), new, notes, str):
        assert len(notes) == 1
    assert notes[0].rows == 200_000
    assert len(notes[0].values) < 1_000


def test_new_cells_and_labels_are_read_as_the_model_learned_them_whatever_else_the_file_holds(run, fitted):
    rows = "1.10,1.0\n1.1,1\n2.0,1\n2.0,two\nbeta,two\nbeta,1\n" * 20
    fitted("data.csv", "--target", "left", table="version,left\n" + rows)
    few = "version,left\n1.10,1.0\n1.1,1\n2.0,1\n"
    said = [run("predict", "model.json", written(few + more, "new.csv"))[1] for more in ("", "beta,two\n")]
    assert said[1].startswith(said[0])
    assert len({line.partition(",")[2] for line in said[0].splitlines()[1:]}) == 3
    judged = run("evaluate", "model.json", written(few, "new.csv"))[1].splitlines()
    assert judged[judged.index("       1  1.0  two") + 1 :][:2] == ["  1    2    0    0", "  1.0  0    1    0"]


def test_text_for_a_number_in_new_data_names_its_row(run, fitted):
    fitted("data.csv", "--target", "left", table=customers())
    code, _, err = run("predict", "model.json", written("age,city\n30,Rome\nold,Oslo\n", "new.csv"))
    assert code == 1
    for words in ("'age'", "row 2", "'old'"):
        assert words in err


def test_a_word_among_decimal_commas_is_named_and_not_the_numbers_before_it(run, fitted):
    fitted("data.csv", "--target", "left", table=customers().replace(",", ";"))
    rows = "".join(f"{age},5;Rome\n" for age in range(30, 40))
    assert run("predict", "model.json", written(f"age;city\n{rows}", "new.csv"))[0] == 0
    code, _, err = run("predict", "model.json", written(f"age;city\n{rows}old;Oslo\n", "new.csv"))
    assert code == 1
    assert "row 11 of new.csv: 'old' is not a number" in err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "damaged"),
        ("[1, 2]", "not a model of separatrix"),
        ('{"weights": [1, 2]}', "not a model of separatrix"),
        ('{"format": "separatrix model", "version": 99}', "version 99"),
        ('{"format": "separatrix model", "version": 1, "model": {}}', "damaged"),
        (b"\xff\xfe\x00", "damaged"),
    ],
)
def test_a_damaged_or_foreign_model_is_refused(content, said, run):
    Path("model.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    code, _, err = run("predict", "model.json", "iris")
    assert code == 1
    assert said in err
    assert len(err.strip().splitlines()) == 1


def test_a_model_with_a_coefficient_missing_is_refused(run, fitted):
    fitted("iris")
    model = json.loads(Path("model.json").read_text())
    model["model"]["coefficients"][1].pop()
    Path("model.json").write_text(json.dumps(model))
    code, _, err = run("predict", "model.json", "iris")
    assert code == 1
    assert "coefficients[1] has 3 entries where 4 are due" in err


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("target/classes", [], "task='binary' does not go with 0 labels in target.classes"),
        ("target/classes", ["no"], "task='binary' does not go with 1 label in target.classes"),
        ("target/classes", ["no", 1], "target has labels of several kinds, 'no', 1"),
        ("target/classes", [True, 1], "target has labels of several kinds, True, 1"),
        ("columns/columns/1/reference", "Paris", "the reference of 'city', 'Paris', is none of its levels"),
        ("columns/columns/2/parts/month/reference", "Jul", "the reference of 'day: month', 'Jul', is none of its"),
        ("columns/columns/2/first", "soon", "the first day of 'day', 'soon', is no date such as '2024-01-31'"),
        ("columns/columns/2/first", "2024-01", "the first day of 'day', '2024-01', is no date"),
        ("columns/columns/2/first", "", "the first day of 'day', '', is no date"),
        ("columns/columns/2/first", "NaT", "the first day of 'day', 'NaT', is no date"),
        ("columns/columns/2/zone", "Europe/Mars", "the time zone of 'day', 'Europe/Mars', is not known here"),
        ("rates", [1.0], "rates has 1 entries where 2 are due"),
    ],
)
def test_a_model_whose_parts_do_not_go_together_is_refused(place, value, said, run, fitted):
    first, *rows = customers().splitlines()
    dated = [f"{row},2024-{1 + i % 5:02d}-01" for i, row in enumerate(rows)]
    fitted("data.csv", "--target", "left", table="\n".join([f"{first},day", *dated]))
    content = json.loads(Path("model.json").read_text())
    *way, last = place.split("/")
    changed = content["model"]
    for key in way:
        changed = changed[int(key) if key.isdigit() else key]
    changed[last] = value
    Path("model.json").write_text(json.dumps(content))
    code, _, err = run("predict", "model.json", "data.csv")
    assert (code, err.count("\n")) == (1, 1)
    assert f"model.json is damaged: {said}" in err


def test_a_prediction_that_fails_leaves_the_old_file_as_it_was(run, fitted):
    fitted("iris")
    Path("p.csv").write_text("old")
    assert run("predict", "model.json", "wine", "--out", "p.csv")[0] == 1
    assert Path("p.csv").read_text() == "old"
    assert {path.name for path in Path().iterdir()} == {"model.json", "report.html", "p.csv"}


@pytest.mark.slow
def test_letters_that_a_terminal_lacks_stop_nothing(run, fitted):
    fitted("iris", "--positive", "setosa")
    program = "from separatrix.cli import main; main()"
    command = [sys.executable, "-c", program, "evaluate", "model.json", "iris"]
    done = [
        subprocess.run(command, capture_output=True, env=os.environ | {"PYTHONIOENCODING": encoding})
        for encoding in ("utf-8", "ascii")
    ]
    assert [each.returncode for each in done] == [0, 0]
    text = done[0].stdout.decode()
    assert not text.isascii()
    assert done[1].stdout.decode() == text.encode("ascii", "replace").decode()


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are text here")
def test_a_file_whose_name_is_no_utf_8_is_refused_with_the_remedy(run, fitted):
    fitted("iris")
    strange = os.fsdecode(b"m\xe4rz.csv")
    Path(strange).write_text(customers())
    told = "is not in UTF-8: rename the file, or set PYTHONUTF8=1"
    for arguments in (["fit", strange, "--target", "left"], ["predict", "model.json", "iris", "--out", strange]):
        code, _, err = run(*arguments)
        assert (code, told in err, err.count("\n")) == (1, True, 1)
    assert Path(strange).read_text() == customers()


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_new_rows_are_a_file_or_what_answers_a_query(run, fitted, command):
    fitted("iris")
    for rows, told in ((["iris", "--query", "select 1"], "give one of the two"), ([], "no data: give a file")):
        code, _, err = run(command, "model.json", *rows)
        assert (code, told in err, err.count("\n")) == (2, True, 1)
    code, _, err = run(command, "model.json", "--query", "select 'long' as sepal_length from range(3)")
    assert (code, err.count("\n")) == (1, 1)
    assert "the query" in err


@pytest.mark.parametrize("command", [("predict", "model.json", "iris"), *seldom((("evaluate", "model.json", "iris"),))])
@pytest.mark.slow
def test_output_that_has_no_room_is_said_in_one_line(run, fitted, command):
    fitted("iris")
    program = "from separatrix.cli import main; main()"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", program, *command], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("separatrix: standard output cannot be written: No space left on device; ")


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("fit", "no data: give a file, a glob, a query, or the name of a built-in set"),
        ("fit a.csv b.csv --target y", "Several files are one glob in quotes"),
        ("fit --cv 10 a.csv --target y", "Write DATA before it"),
    ],
)
def test_what_stands_for_no_data_or_for_several_files_is_told_what_to_write(run, command, told):
    code, _, err = run(*command.split())
    assert (code, told in err) == (2, True)


def test_a_pipe_is_no_file_that_can_be_read_twice(run):
    os.mkfifo("pipe.csv")
    code, _, err = run("fit", "pipe.csv", "--target", "y")
    assert (code, "save what it says to a file first" in err) == (1, True)
