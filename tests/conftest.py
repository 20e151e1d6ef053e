"""What every test runs under."""

import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path
from shutil import copytree

import pytest
from hypothesis import settings
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits

from separatrix import cli

# On cores that other tests use too, the threads of a small matrix product wait for each other, fifty times too long;
# and how long an example takes then says nothing.
threadpool_limits(1)
settings.register_profile("shared cores", deadline=None, max_examples=50)
settings.load_profile("shared cores")


def quickly_drawn(patch):
    """Leaves out what takes half of a report's time: to lay its pictures out, which others test."""
    patch.setattr("separatrix.report.pictures.Figure", lambda figsize, layout: Figure(figsize))


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Runs the command in an empty folder; returns exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    quickly_drawn(monkeypatch)

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["separatrix", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """What `separatrix fit` writes: its arguments, and a table as data.csv -> the folder, made once."""

    @cache
    def folder(*arguments, table):
        place, quiet = tmp_path_factory.mktemp("made"), StringIO()
        with chdir(place), pytest.MonkeyPatch.context() as patch, redirect_stdout(quiet), redirect_stderr(quiet):
            if table is not None:
                Path("data.csv").write_text(table)
            quickly_drawn(patch)
            patch.setattr(sys, "argv", ["separatrix", "fit", *arguments])
            cli.main()
        return place

    return folder


@pytest.fixture
def fitted(run, made):
    """Puts what a fit has written where `run` runs: for tests of what can be done with a model."""

    def copied(*arguments, table=None):
        copytree(made(*arguments, table=table), ".", dirs_exist_ok=True)

    return copied
