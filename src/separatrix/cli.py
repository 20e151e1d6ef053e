"""The command: `separatrix fit`, `predict`, `evaluate`. It reads, asks the layers below, and shows.

Heavy imports are inside the commands, so that `--help` answers at once. Exit codes: 0 done, 1 a fault in the data or
the model, 2 wrong usage, and where it was stopped, by Ctrl-C or a signal (`separatrix.stopping`), 128 and its number.
"""

import os
import sys
from collections.abc import Callable, Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, ConsumeMultipleError, CycloptsError, Parameter, UnusedCliTokensError
from rich.console import Console

import separatrix
from separatrix.errors import ArgumentError, SeparatrixError, counted, listing
from separatrix.messages import complain, in_words, progress, show_notes, tell
from separatrix.options import ColumnOptions, Flag, QueryOptions, SourceOptions, Whole, folds, names

if TYPE_CHECKING:
    from separatrix.data.reading.dataset import Dataset
    from separatrix.data.tables.columns import Table
    from separatrix.data.tables.encoders import Note
    from separatrix.engine.iterate import Step
    from separatrix.model import Model, Prediction
    from separatrix.report.summarize import Summary
    from separatrix.settings import Settings
    from separatrix.training import Training

app = App(
    name="separatrix",
    help="Logistic and linear regression: fit a table, see how good the answer is, use it on new rows.",
    version=separatrix.__version__,
    suppress_keyboard_interrupt=False,
    default_parameter=Parameter(negative=()),
)


@app.command
def fit(
    data: str | None = None,
    /,
    *,
    target: str | None = None,
    positive: str | None = None,
    regression: Flag = False,
    drop: str = "",
    categorical: str = "",
    numeric: str = "",
    told: Annotated[ColumnOptions | None, Parameter(name="*")] = None,
    rows: Annotated[SourceOptions | None, Parameter(name="*")] = None,
    C: Annotated[float | None, Parameter(name="--C")] = None,
    cv: Annotated[list[str] | None, Parameter(consume_multiple=(0, 1))] = None,
    l1_ratio: float = 0.0,
    test_size: float = 0.25,
    seed: Whole = 0,
    solver: str = "auto",
    tol: float = 1e-8,
    max_iter: Whole = 100,
    inference: Flag = False,
    covariance: str | None = None,
    cluster: str | None = None,
    offset: str | None = None,
    weight: str | None = None,
    frequency: str | None = None,
    out: Path = Path(),
) -> None:
    """Learn to predict a column from the others; write model.json and report.html.

    Rows are held out and the model is judged on them, beside always answering with the commonest class.

    Parameters
    ----------
    data
        A CSV or Parquet file, a quoted glob of such files, or a built-in set: iris, breast_cancer, wine, digits,
        diabetes. Or leave it out and give a --query.
    target
        The column to predict; the built-in sets know theirs.
    positive
        The class to predict; of three or more classes, this one against the rest.
    regression
        Predict a number, by linear regression.
    drop
        Columns to leave out, separated by commas; one whose name holds a comma in double quotes.
    categorical
        Columns to take as categories though they look like numbers.
    numeric
        Columns to take as numbers.
    C
        Inverse strength of the penalty on standardised columns; inf for none. By default 1, or none with --regression.
    cv
        Choose C by cross-validation on the training rows: a number of folds, 5 if none is given, or loo, which leaves
        out one row at a time. A row that counts for several, by --frequency or --weight, is left out whole.
    l1_ratio
        Share of the L1 penalty, 0 to 1; above 0, columns that help little get a coefficient of exactly zero.
    test_size
        Share of the rows of each class to hold out, the same rows wherever they are: of every 4 in a row, or as many
        as the share says, one by chance. With 0 none are, and the model is judged on the rows it was fitted to.
    seed
        Decides which rows are held out, and into which folds --cv deals the others.
    solver
        auto, newton, quasi-newton, conjugate-gradient, gradient-descent or proximal-newton.
    tol
        How far the mean loss may be from its optimum.
    max_iter
        Most iterations of the solver.
    inference
        Fit without a penalty, and give every coefficient its standard error, p-value and interval.
    covariance
        The standard errors of --inference: nonrobust, HC0, HC1, HC2, HC3 or cluster. By default nonrobust, HC1 with
        --weight, cluster with --cluster.
    cluster
        A column: rows with the same value in it may depend on each other, and standard errors allow for that.
    offset
        A column of numbers that is added to the linear predictor, its coefficient 1.
    weight
        A column that says how many rows that were not observed a row speaks for: a survey weight.
    frequency
        A column that says how many observations a row stands for.
    out
        Folder for model.json and report.html.
    """
    from separatrix.data.reading.builtin import is_regression
    from separatrix.settings import Settings

    settings = Settings(
        positive=positive,
        regression=regression or is_regression(data),
        drop=names(drop),
        categorical=names(categorical),
        numeric=names(numeric),
        **(told or ColumnOptions()).settings(),
        C=C,
        cv=folds(cv),
        l1_ratio=l1_ratio,
        test_size=test_size,
        seed=seed,
        solver=solver,
        tol=tol,
        max_iter=max_iter,
        inference=inference,
        covariance=covariance,
        cluster=cluster,
        offset=offset,
        weight=weight,
        frequency=frequency,
    )
    fit_and_write(data, rows or SourceOptions(), target, settings, out)


@app.command
def predict(
    model: Path,
    data: str | None = None,
    /,
    *,
    rows: Annotated[QueryOptions | None, Parameter(name="*")] = None,
    interval: float | None = None,
    of: Literal["mean", "observation"] = "mean",
    out: Path | None = None,
) -> None:
    """Apply a model to new rows: the predicted class and the probability of each, as CSV.

    Parameters
    ----------
    model
        A model.json written by fit.
    data
        New rows, like those of fit; the target is not needed. Or leave it out and give a --query.
    interval
        A level such as 0.95: how far each probability, or mean, may be off for the rows of the fit being a sample. It
        needs a model that was fitted with --inference.
    of
        Of a linear model, whether the interval is for the mean of such rows, or for one more observation.
    out
        A file to write, .csv, .csv.gz, .csv.zst or .parquet; without it, CSV goes to standard output.
    """
    from separatrix.export.json import read_model
    from separatrix.export.predictions import ending_of, prediction_table, write_predictions

    if out:
        ending_of(out)  # before the work
    if of == "observation" and interval is None:
        raise ArgumentError("of=observation is a kind of interval: give its level too, for example --interval 0.95.")
    fitted, notes = read_model(model), []
    with progress("reading new rows") as say:
        new = (rows or QueryOptions()).open(data)
        if out:
            new.refuse(out, others=[model, *rows.named()] if rows else [model])
        scored = score(fitted, new, notes, say, interval, of)
        written = write_predictions((prediction_table(fitted, said, first) for first, _, said in scored), out)
    show_notes(notes)
    if interval is not None and fitted.errors and (infinite := fitted.errors.infinite):
        tell(f"note: rows with {listing(infinite)} have no interval: these estimates are infinite", style="yellow")
    if out:
        tell(f"{written:,} predictions in {out}")


@app.command
def evaluate(
    model: Path, data: str | None = None, /, *, rows: Annotated[QueryOptions | None, Parameter(name="*")] = None
) -> None:
    """Judge a model on new rows whose target is known: metrics beside a baseline, and the confusion matrix.

    Rows without a target are left out, and counted.

    Parameters
    ----------
    model
        A model.json written by fit.
    data
        New rows with the target, like those of fit. Or leave it out and give a --query.
    """
    from separatrix.export.json import read_model
    from separatrix.report.summarize import summarize_evaluation
    from separatrix.report.terminal import show_evaluation
    from separatrix.training import evaluate_batches, with_target

    fitted, notes, gaps = read_model(model), [], []
    with progress("reading new rows") as say:
        new = (rows or QueryOptions()).open(data)
        scored = score(fitted, new, notes, say)
        judged = (with_target(fitted, table, new.where, first, said.values, gaps) for first, table, said in scored)
        evaluation = evaluate_batches(fitted, judged)
    show_evaluation(summarize_evaluation(fitted, evaluation, data=new.name), Console())
    show_notes(notes)
    if without := sum(gaps):
        tell(f"note: {counted(without, 'row')} without a target left out", style="yellow")


def score(
    model: "Model",
    data: "Dataset",
    notes: "list[Note]",
    say: Callable[[str], Any],
    interval: float | None = None,
    of: Literal["mean", "observation"] = "mean",
) -> "Iterator[tuple[int, Table, Prediction]]":
    """Batch by batch the number of the first row, the rows, and what the model says of them; fills `notes`."""
    from separatrix.data.tables.encoders import merged

    first, data = 1, data.as_text(model.as_text)
    for table in data.batches():
        prediction = model.predict(table, data.where, first, interval, of)
        notes[:] = merged([*notes, *prediction.notes])  # there may be a great many batches
        yield first, table, prediction
        first += len(table)
        say(f"{first - 1:,} rows of {data.name}")


def fit_and_write(data: str | None, rows: SourceOptions, target: str | None, settings: "Settings", out: Path) -> None:
    """Fits as it is told, writes the model file and the report, and shows the summary."""
    from separatrix.data.reading.builtin import BUILTIN, is_builtin
    from separatrix.data.reading.files import replacing_all
    from separatrix.report.terminal import show

    name, written = data or "the query", (out / "model.json", out / "report.html")
    # Their places are taken first: a folder that takes no files is known before the work, not after.
    with replacing_all(*written) as partials, progress(f"reading {name}") as say, rows.opened(data) as dataset:
        dataset.refuse(*written, others=rows.named())
        target = target or (BUILTIN[data] if data and is_builtin(data) else None)
        if target is None:
            raise ArgumentError(
                f"say which column to predict: --target NAME. {name} has: {listing(dataset.columns, 20)}."
            )
        training = trained(dataset, rows, target, settings, say)
        say("drawing the report")
        summary = write_results(training, name, *partials)
    if training.checkpoint:
        training.checkpoint.remove()
    show(summary, Console())
    tell(f"Wrote {written[0]} and {written[1]}")


def trained(
    dataset: "Dataset", rows: SourceOptions, target: str, settings: "Settings", say: Callable[[str], Any]
) -> "Training":
    """The fit of rows in memory, or of rows that stay where they are."""

    def watch(step: "Step") -> None:
        say(in_words(step))

    dataset = dataset.told(settings.columns, None if settings.regression else target, settings.cluster)
    if rows.stays(dataset):
        from separatrix.streamed import train_streamed

        return train_streamed(dataset, target, settings, watch, rows.checkpoint)
    from separatrix.training import train

    table = dataset.whole()
    say(f"fitting {target}")
    return train(table, target, settings, where=dataset.where, watch=watch)


def write_results(training: "Training", data: str, model_file: Path, page: Path) -> "Summary":
    """The model file and the report; returns the summary."""
    from separatrix.export.json import encoded
    from separatrix.report.pictures import draw_pictures
    from separatrix.report.render import render
    from separatrix.report.summarize import summarize

    model, evaluation = training.model, training.evaluation
    summary = summarize(
        model,
        evaluation,
        training.findings,
        data=data,
        rows=training.rows,
        held_out=training.held_out,
        inferred=training.inferred,
    )
    pictures = draw_pictures(model, evaluation, training.X, training.y)
    page.write_text(render(summary, pictures), encoding="utf-8")
    model_file.write_bytes(encoded(model))
    return summary


def main() -> None:
    """Runs the command, and turns what went wrong into one line and an exit code."""
    if sys.stdout is None:  # it was closed, and what is printed goes nowhere
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a letter that the terminal's encoding lacks is no fault
    try:
        app(sys.argv[1:], exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()  # here, where it can still be said that there is no room
    except CycloptsError as error:
        remedy = " Several files are one glob in quotes: '*.csv'." if isinstance(error, UnusedCliTokensError) else ""
        remedy = " Write DATA before it." if isinstance(error, ConsumeMultipleError) else remedy
        sys.exit(complain(f"{error}{remedy}", code=2))
    except ArgumentError as error:
        sys.exit(complain(str(error), code=2))
    except SeparatrixError as error:
        sys.exit(complain(str(error), code=1))
    except BrokenPipeError:  # whoever read our output, say `head`, has seen enough
        close_output()
    except OSError as error:
        if error.filename is not None:  # no fault of standard output, which has no name
            raise
        close_output()
        why = error.strerror or error
        sys.exit(complain(f"standard output cannot be written: {why}; make room, or send it elsewhere.", code=1))


def close_output() -> None:
    """Whatever is still to be written to standard output goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
