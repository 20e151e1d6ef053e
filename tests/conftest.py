"""What every test runs under."""

import sys

import pytest
from hypothesis import settings
from threadpoolctl import threadpool_limits

from separatrix import cli

# On cores that other tests use too, the threads of a small matrix product wait for each other, fifty times too long;
# and how long an example takes then says nothing.
threadpool_limits(1)
settings.register_profile("shared cores", deadline=None)
settings.load_profile("shared cores")


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Runs the command in an empty folder; returns exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

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
