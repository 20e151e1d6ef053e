"""Ctrl-C and its like, at moments of all kinds: one line, the exit code of the signal, and nothing half written."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seldom import seldom

PROGRAM = """
import signal, sys
from separatrix import __main__

number, (file, name) = signal.Signals(int(sys.argv.pop(1))), sys.argv.pop(1).split(":")
signal.signal(number, signal.SIG_DFL)  # as in a terminal, whatever started the tests

class Dropped:
    def __del__(self):  # where an exception would be lost
        signal.raise_signal(number)

def look(frame, event, _):
    code = frame.f_code
    if code.co_name == name and event == "call" and code.co_filename.endswith(file):
        sys.setprofile(None)
        Dropped()

sys.setprofile(look)
__main__.main()
"""
REPLACE = f"{Path.replace.__code__.co_filename}:replace"
FIT = ["fit", "--query", "select * from 'old.parquet'", "--target", "y", "--stream"]
PREDICT = ["predict", "old.json", "old.parquet", "--out", "p.csv"]
MOMENTS = [
    *seldom((FIT, "cyclopts/__init__.py:<module>"), (FIT, "tempfile.py:mkdtemp")),
    *seldom((FIT, "data/reading/parts.py:spool")),
    (FIT, "engine/iterate.py:minimise"),
    *seldom((FIT, "report/render.py:render"), (PREDICT, "export/predictions.py:prediction_table")),
    *seldom(
        (PREDICT, REPLACE),
        (["evaluate", "old.json", "old.parquet"], "evaluate/metrics.py:evaluate_classes"),
    ),
]


@pytest.fixture(scope="module")
def folder(made):
    """A table, and a model of it."""
    x = np.arange(300) % 7
    table = pd.DataFrame({"x": x, "y": (x + np.random.default_rng(0).uniform(0, 3, 300) > 4).astype(int)})
    folder = made("data.csv", "--target", "y", table=table.to_csv(index=False))
    table.to_parquet(folder / "old.parquet")
    (folder / "model.json").rename(folder / "old.json")
    (folder / "report.html").unlink()
    (folder / "data.csv").unlink()
    (folder / "tmp").mkdir()
    return folder


def stopped(folder: Path, number: int, moment: str, command: list[str]) -> tuple[int, str, set[str]]:
    """The exit code, standard error, and the files that are new."""
    environment = os.environ | {"TMPDIR": str(folder / "tmp")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(int(number)), moment, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    new = {str(path.relative_to(folder)) for path in folder.rglob("*")} - {"tmp", "old.parquet", "old.json"}
    return done.returncode, done.stderr, new


@pytest.mark.parametrize(("command", "moment"), MOMENTS, ids=lambda value: value if isinstance(value, str) else "")
def test_ctrl_c_at_any_moment_is_one_line_and_no_file(folder, command, moment):
    code, err, new = stopped(folder, signal.SIGINT, moment, command)
    if moment.endswith("replace"):  # what is being put in its place gets there
        assert (code, err, new) == (130, "separatrix: stopped; p.csv written before\n", {"p.csv"})
        (folder / "p.csv").unlink()
    else:
        assert (code, err, new) == (130, "separatrix: stopped; no file was written\n", set())


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no such signals here")
@pytest.mark.parametrize(("name", "code"), seldom(("SIGTERM", 143), ("SIGHUP", 129)))
def test_to_be_told_to_end_is_the_same(folder, name, code):
    said = stopped(folder, getattr(signal, name), "engine/iterate.py:minimise", FIT)
    assert said == (code, "separatrix: stopped; no file was written\n", set())


@pytest.mark.slow
def test_workers_end_with_the_command_and_without_a_word(folder):
    pytest.importorskip("distributed")
    command = ["fit", "old.parquet", "--target", "y", "--workers", "2"]
    said = stopped(folder, signal.SIGTERM, "engine/iterate.py:minimise", command)
    assert said == (143, "separatrix: stopped; no file was written\n", set())
    begun = time.monotonic()
    while left := processes_in(folder):
        assert time.monotonic() - begun < 1.0, left


HOLDING = """
import signal
from separatrix.data.workers.client import connected

def held():
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())

if __name__ == "__main__":
    with connected(workers=1) as client:
        print(list(client.run(held).values()))
"""


def test_ctrl_c_is_for_the_command_alone_and_no_worker_hears_of_it(tmp_path):
    pytest.importorskip("distributed")
    (tmp_path / "holding.py").write_text(HOLDING)
    done = subprocess.run([sys.executable, str(tmp_path / "holding.py")], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[True]\n", "")


def test_a_process_that_starts_while_this_one_ends_has_no_word():
    program = """if True:
        import os, signal, subprocess, sys
        from separatrix import stopping
        stopping.listen()
        talks = [sys.executable, "-c", "import sys; sys.stderr.write('alone')"]
        stopping.unfinished["file"] = lambda path: subprocess.run(talks, check=True)
        os.kill(os.getpid(), signal.SIGTERM)
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (143, "separatrix: stopped; no file was written\n")


def processes_in(folder: Path) -> list[str]:
    """The processes that work in a folder, other than this one."""
    return [link.parent.name for link in Path("/proc").glob("[0-9]*/cwd") if is_in(folder, link)]


def is_in(folder: Path, link: Path) -> bool:
    try:
        return link.resolve(strict=True) == folder.resolve()
    except OSError:  # the process is over, or another user's
        return False


@pytest.mark.slow
def test_a_stopped_fit_leaves_no_folder_that_it_made(folder):
    code, _, new = stopped(folder, signal.SIGTERM, "engine/iterate.py:minimise", [*FIT, "--out", "a/b"])
    assert (code, new) == (143, set())


@pytest.mark.slow
def test_model_and_report_come_together_or_not_at_all(folder):
    code, err, new = stopped(folder, signal.SIGINT, REPLACE, FIT)
    assert (code, err) == (130, "separatrix: stopped; model.json and report.html written before\n")
    assert new == {"model.json", "report.html"}
    for name in new:
        (folder / name).unlink()


@pytest.mark.slow
def test_a_stopped_fit_says_that_it_goes_on_from_its_checkpoint(folder):
    command = ["fit", "old.parquet", "--target", "y", "--checkpoint", "kept"]
    code, err, new = stopped(folder, signal.SIGTERM, "report/render.py:render", command)
    assert (code, err) == (143, "separatrix: stopped; the same command goes on from kept/fit.npz\n")
    assert new == {"kept", "kept/fit.npz"}
    (folder / "kept" / "fit.npz").unlink()
    (folder / "kept").rmdir()


@pytest.mark.slow
def test_a_signal_that_whoever_started_it_has_ignored_stays_ignored(folder):
    program, number = PROGRAM.replace("signal.SIG_DFL", "signal.SIG_IGN"), str(int(signal.SIGINT))
    command = [sys.executable, "-c", program, number, "evaluate/metrics.py:evaluate_classes"]
    command += ["evaluate", "old.json", "old.parquet"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_ctrl_c_before_it_is_listened_to_is_a_plain_end(folder):
    program, number = PROGRAM.replace("signal.SIG_DFL", "signal.default_int_handler"), str(int(signal.SIGINT))
    command = [sys.executable, "-c", program, number, "separatrix/stopping.py:<module>", "evaluate", "old.json", "x"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")
