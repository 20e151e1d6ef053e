"""What the documents say is true: their commands exist, their links lead somewhere, CI runs the README's test."""

import re
from pathlib import Path

import pytest

from separatrix import LogisticRegression
from separatrix.engine.choose import (
    CHEAP,
    LARGEST_ASKED_FOR,
    LARGEST_CURVATURE_OF_CLASSES,
    LARGEST_CURVATURE_OF_ZEROS,
    LARGEST_DENSE_CURVATURE,
    LARGEST_DENSE_CURVATURE_OF_CLASSES,
    SOLVERS,
    SYNONYMS,
)
from separatrix.engine.matrices.linear_algebra import LARGEST_CURVATURE

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(path for path in ROOT.glob("**/*.md") if not {".venv", "node_modules"} & set(path.parts))


def shell_blocks(text):
    return re.findall(r"```sh\n(.*?)\n```", text, re.DOTALL)


def test_the_readme_has_one_command_to_run_and_one_to_test_and_ci_runs_the_second():
    run, test = shell_blocks((ROOT / "README.md").read_text())
    assert run.count("\n") == test.count("\n") == 0
    assert "separatrix fit iris" in run
    assert test in (ROOT / ".ci/run").read_text().splitlines()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_to_a_file_leads_to_one(document):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_every_file_the_map_names_is_there():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]
    assert len(named) > 10
    assert [name for name in named if not (ROOT / "src/separatrix" / name).exists()] == []


def test_the_table_of_solvers_has_every_name_that_is_accepted_with_what_it_runs():
    text = (ROOT / "docs/solvers.md").read_text()
    table = dict(re.findall(r"^\| `([a-z-]+)` \| (.*?) \|", text, re.MULTILINE))
    assert set(table) == {"auto", *SOLVERS, *SYNONYMS}
    assert {name: table[name].strip("`") for name in SYNONYMS} == SYNONYMS
    dense = LARGEST_DENSE_CURVATURE, LARGEST_DENSE_CURVATURE_OF_CLASSES
    assert f" {CHEAP:,})" in text
    for size in (LARGEST_CURVATURE, LARGEST_CURVATURE_OF_CLASSES, LARGEST_CURVATURE_OF_ZEROS, *dense):
        assert f" {size:,} " in text
    assert f" {LARGEST_ASKED_FOR:,} of them" in text
    assert "docs/solvers.md" in str(LogisticRegression.__doc__)
