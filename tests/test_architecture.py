"""The shape of the package: which way imports go, how long things are, and what a name costs to import."""

import ast
import re
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from statistics import median

import pytest

import separatrix

ROOT = Path(separatrix.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
ROWS = [
    ["errors", "stopping", "cached"],
    ["arrays"],
    ["compressed", "arguments"],
    ["points"],
    ["equations"],
    ["data"],
    ["engine"],
    ["inference"],
    ["regression"],
    ["evaluate"],
    ["model"],
    ["fits", "settings"],
    ["export"],
    ["plots"],
    ["report"],
]
ROWS += [["training"], ["streamed"], ["explained"], ["checked"], ["messages", "predicted", "tables"]]
ROWS += [["scratch", "columns", "estimators", "linear", "formula", "options", "cli"]]
ROWS += [["cross_validation", "firth", "__main__"]]
RANK = {name: rank for rank, row in enumerate(ROWS) for name in row}
DATA = [["block", "classes", "frames", "lazy", "threads"], ["column_traits", "inputs", "labels", "subsets"], ["memory"]]
DATA += [["wide", "tables"], ["reading"], ["streams"], ["workers"], ["opened"]]
ENGINE = [["matrices", "sums"], ["augmented", "grams"], ["objective"], ["line_search", "near_copies"]]
ENGINE += [["lasso", "certificates"], ["leverage", "iterate"], ["checkpoint", "solvers"], ["choose"], ["rowspace"]]
ENGINE += [["fit"], ["linear", "paths"]]
RANK_WITHIN = {
    part: {name: rank for rank, row in enumerate(rows) for name in row}
    for part, rows in {"data": DATA, "engine": ENGINE}.items()
}
HEAVY = ("sklearn", "matplotlib", "scipy", "duckdb", "pandas", "polars")
LONGEST_MODULE, LONGEST_FUNCTION = 350, 60


def name_of(path: Path) -> str:
    """separatrix.data.reading.files for its file."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = [name_of(path) for path in MODULES]


def part_of(module: str) -> str:
    """The row's name that a module belongs to: data for separatrix.data.reading.files."""
    return module.split(".")[1]


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports_of(path: Path) -> set[str]:
    """Every module of the package that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively in line {node.lineno}"
            deeper = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in NAMES else str(node.module) for name in deeper}
    return {name for name in found if name.startswith("separatrix.")}


def definitions() -> list[tuple[str, ast.stmt]]:
    """Every function and class of the package, with where it stands."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [
        (f"{name_of(path)}.{node.name}", node)
        for path in MODULES
        for node in ast.walk(tree_of(path))
        if isinstance(node, kinds)
    ]


@pytest.mark.parametrize("path", [path for path in MODULES if path != ROOT / "__init__.py"], ids=name_of)
def test_imports_go_down_the_layers_and_never_back_up(path):
    here = RANK[part_of(name_of(path))]
    above = {name for name in imports_of(path) if RANK[part_of(name)] > here}
    assert not above, f"{name_of(path)} imports {sorted(above)}, which lies above it"


def test_the_doors_do_not_lean_on_each_other():
    for door in ("scratch", "estimators"):
        assert not {part_of(name) for name in imports_of(ROOT / f"{door}.py")} & {"scratch", "estimators", "cli"}


@pytest.mark.parametrize("part", RANK_WITHIN)
def test_imports_within_a_part_go_down_its_own_rows(part):
    rank = RANK_WITHIN[part]
    paths = [path for path in (ROOT / part).rglob("*.py") if path.name != "__init__.py"]
    assert {step_of(name_of(path)) for path in paths} == set(rank)
    arrows = [(name_of(path), name) for path in paths for name in imports_of(path) if part_of(name) == part]
    across = [arrow for arrow in arrows if step_of(arrow[0]) != step_of(arrow[1])]
    assert across
    assert [(here, other) for here, other in across if rank[step_of(other)] >= rank[step_of(here)]] == []


def step_of(module: str) -> str:
    """The row's name within a part: solvers for separatrix.engine.solvers.newton."""
    return module.split(".")[2]


def test_every_part_has_its_row():
    assert {part_of(name) for name in NAMES if name != "separatrix"} <= set(RANK)


@pytest.mark.parametrize("module", ["separatrix", "separatrix.cli"])
def test_what_everyone_imports_is_light(module):
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & set({HEAVY})))"
    heavy = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert heavy.stdout.split() == []


def test_no_module_imports_scipy_stats_which_takes_longer_than_a_small_fit():
    import_ = re.compile(r"^ *(import scipy\.stats|from scipy\.stats|from scipy import .*\bstats\b)", re.MULTILINE)
    assert [name_of(path) for path in MODULES if import_.search(path.read_text())] == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_fits_a_readers_patience(path):
    assert len(path.read_text().splitlines()) <= LONGEST_MODULE


def test_no_function_is_longer_than_a_screen_and_half_of_them_have_less_than_ten_lines():
    functions = [(where, node) for where, node in definitions() if isinstance(node, ast.FunctionDef)]
    assert [where for where, node in functions if code_lines(node) > LONGEST_FUNCTION] == []
    assert median(code_lines(node) for _, node in functions) < 10


def code_lines(node: ast.FunctionDef) -> int:
    """The lines of a function, its signature included and its docstring not."""
    prose = node.body[0] if ast.get_docstring(node) else None
    return lines(node) - (lines(prose) if prose else 0)


def lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_everything_public_says_what_it_is():
    silent = [
        f"{name_of(path)}.{node.name}"
        for path in MODULES
        for node in public_definitions(tree_of(path))
        if not ast.get_docstring(node)
    ]
    assert silent == []
    assert [name_of(path) for path in MODULES if not ast.get_docstring(tree_of(path))] == []


def public_definitions(tree: ast.Module) -> list[ast.FunctionDef | ast.ClassDef]:
    """Functions and classes at the top of a module, without an underscore."""
    return [
        node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]


@pytest.mark.parametrize("module", NAMES)
def test_all_lists_only_names_that_resolve(module):
    loaded = import_module(module)
    assert [name for name in getattr(loaded, "__all__", []) if not hasattr(loaded, name)] == []


def test_the_package_shows_what_it_offers():
    assert sorted(separatrix.__all__) == dir(separatrix)
    for name in separatrix.__all__:
        assert getattr(separatrix, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'LogisticRegresion'"):
        separatrix.LogisticRegresion  # noqa: B018
