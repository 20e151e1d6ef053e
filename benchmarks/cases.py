"""What is fitted: the data sets, made or read, and the penalty each is fitted with."""

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Matrix = Any  # (rows, columns), a dense array or a CSR matrix
Data = tuple[Matrix, NDArray]
Table = Mapping[str, NDArray]
Read = Callable[[str], Table]

OPENML = {
    "creditcard_fraud": 1597,
    "covtype": 1596,
    "mnist70k": 554,
}  # the target is their last column, as in the files
QUICK, FEWEST = 20, 1_000  # --quick divides the rows by up to 20, and keeps at least 1,000


@dataclass(frozen=True)
class Case:
    """A data set and its penalty: C * sum(loss) + (1 - l1_ratio)/2 |w|^2 + l1_ratio |w|_1, as in scikit-learn."""

    name: str
    data: str
    C: float = 1.0
    l1_ratio: float = 0.0


@dataclass(frozen=True)
class Problem:
    """What decides whether a solver applies; `columns` counts without the intercept."""

    rows: int
    columns: int
    classes: int
    sparse: bool
    C: float
    l1_ratio: float

    @property
    def hessian_gigabytes(self) -> float:
        """Of the dense Hessian of all coefficients."""
        outputs = 1 if self.classes == 2 else self.classes
        return 8e-9 * ((self.columns + 1) * outputs) ** 2


def reader(folder: Path | None) -> Read:
    """Reads a table by name: NAME.parquet in the folder, or without a folder from OpenML."""
    return partial(read_parquet, folder) if folder else read_openml


def read_parquet(folder: Path, name: str) -> Table:
    from pyarrow import parquet

    table = parquet.read_table(folder / f"{name}.parquet")
    return {column: table[column].to_numpy() for column in table.column_names}


def read_openml(name: str) -> Table:
    """Raises LookupError for a table that OpenML has not."""
    from sklearn.datasets import fetch_openml

    if name not in OPENML:
        raise LookupError(f"{name} is not on OpenML: give --data DIR with {name}.parquet.")
    fetched: Any = fetch_openml(data_id=OPENML[name], as_frame=True)
    frame = fetched.frame
    return {column: frame[column].to_numpy() for column in frame.columns}


def gaussian(read: Read, rows: int, columns: int, correlation: float) -> Data:
    """Equicorrelated normal columns, labels drawn from a logistic model with log-odds of standard deviation near 2."""
    random = np.random.default_rng(0)
    shared = random.standard_normal((rows, 1))
    X = random.standard_normal((rows, columns))
    X *= np.sqrt(1 - correlation)
    X += np.sqrt(correlation) * shared
    return X, draw(random, X @ random.standard_normal(columns))


def wide(read: Read, off: float = 0.0) -> Data:
    """200 rows of 20,000 columns, 50 of which matter, each up to so many standard deviations off zero."""
    random = np.random.default_rng(0)
    X = random.standard_normal((200, 20_000))
    y = draw(random, X[:, :50] @ random.standard_normal(50))
    return X + random.uniform(-off, off, 20_000), y


def spectra(read: Read, rows: int = 200, columns: int = 700, classes: int = 2) -> Data:
    """Sums of the same twelve peaks on a line of any slope, and little noise: columns that all but repeat those beside
    them, as those of a spectrum do. Each class has more of a peak of its own."""
    random, place = np.random.default_rng(0), np.linspace(0.0, 1.0, columns)
    centre, width = random.uniform(0.0, 1.0, (12, 1)), random.uniform(0.02, 0.2, (12, 1))
    y, height = random.integers(0, classes, rows), random.gamma(3.0, 0.3, (rows, 12))
    height[:, :classes] += 0.5 * np.eye(classes)[y]
    line = 0.3 * random.standard_normal((rows, 1)) + 0.3 * random.standard_normal((rows, 1)) * place
    peaks = np.exp(-(((place - centre) / width) ** 2))
    return height @ peaks + line + 0.01 * random.standard_normal((rows, columns)), y


def embeddings(read: Read, rows: int = 10_000, columns: int = 256, classes: int = 100) -> Data:
    """Rows of length 1 about a centre of each class, less and less far along each direction, as those that a network
    makes of pictures or texts."""
    random = np.random.default_rng(0)
    far = np.arange(1.0, columns + 1.0) ** -0.7
    centres, y = 1.3 * random.standard_normal((classes, columns)), random.integers(0, classes, rows)
    X = (centres[y] + random.standard_normal((rows, columns))) * far
    X @= np.linalg.qr(random.standard_normal((columns, columns)))[0]
    return X / np.linalg.norm(X, axis=1, keepdims=True), y


def letters(read: Read, rows: int = 20_000, columns: int = 16, classes: int = 26) -> Data:
    """Whole numbers from 0 to 15 in the shape of the Letter set, 20,000 x 16, of which a class has its own mean."""
    random = np.random.default_rng(0)
    centres, y = random.normal(7.0, 2.0, (classes, columns)), random.integers(0, classes, rows)
    return np.clip(np.rint(random.normal(centres[y], 2.0)), 0.0, 15.0), y


def heavy_tails(read: Read, rows: int = 900, columns: int = 390) -> Data:
    """Columns of which few rows have much, and hardly enough rows for their classes not to be separated."""
    random = np.random.default_rng(0)
    X = np.exp(1.5 * random.standard_normal((rows, columns)))
    return X, draw(random, X @ (random.standard_normal(columns) / X.std(axis=0)))


def indicators(read: Read) -> Data:
    """Zeros and ones in the shape of the HIVA set, 3,845 x 1,617, columns from rare to frequent, few positives."""
    random = np.random.default_rng(0)
    X = (random.random((3_845, 1_617)) < random.beta(0.5, 5, size=1_617)).astype(float)
    eta = X @ random.standard_normal(1_617)
    return X, draw(random, eta, offset=-3.5)


def draw(random: np.random.Generator, eta: NDArray, offset: float = 0.0) -> NDArray:
    """0/1 labels with log-odds 2 eta / std(eta) about the offset."""
    log_odds = 2 * (eta - eta.mean()) / eta.std() + offset
    return (random.logistic(size=len(eta)) < log_odds).astype(int)


def numbers(read: Read, name: str, positive: int | None = None, scale: float | None = 1.0) -> Data:
    """All columns but the last, which is the target (`positive`: that class against the rest).

    `scale` divides every column; None standardises those that are not indicators.
    """
    columns = [np.asarray(column, dtype=float) for column in read(name).values()]
    X, y = np.column_stack(columns[:-1]), columns[-1].astype(int)
    y = y if positive is None else (y == positive).astype(int)
    return (standardise(X) if scale is None else X / scale), y


def standardise(X: NDArray) -> NDArray:
    """Every column but those of zeros and ones to mean 0, standard deviation 1."""
    measured = ~((X == 0) | (X == 1)).all(axis=0)
    X[:, measured] -= X[:, measured].mean(axis=0)
    X[:, measured] /= X[:, measured].std(axis=0)
    return X


def digits_of_mnist(read: Read) -> Data:
    X, y = numbers(read, "mnist70k", scale=255)
    return X[:60_000], y[:60_000]


def flights(read: Read) -> Data:
    """The numeric columns; the delay itself is the answer."""
    table = read("flights_3m")
    names = ["month", "day", "dow", "hour", "minute", "distance"]
    return standardise(np.column_stack([table[name].astype(float) for name in names])), table["late15"]


def text(read: Read, name: str, fields: list[str], target: str, longest: int = 1, fewest: int = 1) -> Data:
    """TF-IDF of n-grams up to `longest` words that `fewest` texts have, with the logarithm of the counts."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    table = read(name)
    texts = ["\n".join(map(str, row)) for row in zip(*(table[field] for field in fields), strict=True)]
    words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, longest), min_df=fewest)
    return words.fit_transform(texts), table[target]


def builtin(read: Read, name: str, columns: int | None = None) -> Data:
    from sklearn import datasets

    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return X[:, :columns], y


def setosa(read: Read) -> Data:
    """Sepal length and width: the first flower against the others."""
    X, y = builtin(read, "iris", 2)
    return X, (y != 0).astype(int)


SIZES = [10**power for power in range(3, 8)]
WIDTHS = [10, 30, 100, 300, 1_000, 2_000]

DATA: dict[str, Callable[[Read], Data]] = {
    "synthetic-0.5": partial(gaussian, rows=1_000_000, columns=28, correlation=0.5),
    "synthetic-0.99": partial(gaussian, rows=1_000_000, columns=28, correlation=0.99),
    "synthetic-0.5-small": partial(gaussian, rows=200_000, columns=28, correlation=0.5),
    "fraud": partial(numbers, name="creditcard_fraud", scale=None),
    "fraud-raw": partial(numbers, name="creditcard_fraud"),
    "covtype-2": partial(numbers, name="covtype", positive=2, scale=None),
    "covtype-7": partial(numbers, name="covtype", scale=None),
    "flights": flights,
    "mnist": digits_of_mnist,
    "digits": partial(builtin, name="digits"),
    "breast_cancer-raw": partial(builtin, name="breast_cancer"),
    "iris": setosa,
    "wide": wide,
    "wide-off-zero": partial(wide, off=50.0),
    "spectra": spectra,
    "spectra-wide": partial(spectra, columns=5_000),
    "embeddings": embeddings,
    "letters": letters,
    "heavy-tails": heavy_tails,
    "hiva-like": indicators,
    "rotten_tomatoes": partial(text, name="rotten_tomatoes", fields=["text"], target="category"),
    "sms_spam": partial(text, name="sms_spam", fields=["text"], target="spam"),
    "spamassassin": partial(text, name="spamassassin_email", fields=["subject", "body"], target="spam"),
    "newsgroups": partial(text, name="newsgroups20", fields=["Text"], target="Category", longest=2, fewest=2),
    **{f"rows-{rows}": partial(gaussian, rows=rows, columns=28, correlation=0.5) for rows in SIZES},
    **{f"columns-{columns}": partial(gaussian, rows=50_000, columns=columns, correlation=0.5) for columns in WIDTHS},
}

# The numbers say about how many in a hundred columns are kept, of texts about how many columns (hundreds: 333 and 359,
# thousands: 2,785); each C was found by trials for that. At C = 1 it is 76 of spamassassin, 845 of rotten_tomatoes.
SPARSE_CASES = [
    Case("fraud-l1-10", "fraud", 0.0017, 1.0),
    Case("fraud-l1-50", "fraud", 0.03, 1.0),
    Case("fraud-l1-90", "fraud", 0.3, 1.0),
    Case("fraud-en-10", "fraud", 0.00033, 0.5),
    Case("fraud-en-50", "fraud", 0.0125, 0.5),
    Case("fraud-en-90", "fraud", 0.23, 0.5),
    Case("covtype-2-l1-10", "covtype-2", 5.6e-5, 1.0),
    Case("covtype-2-l1-50", "covtype-2", 9e-4, 1.0),
    Case("covtype-2-l1-90", "covtype-2", 0.05, 1.0),
    Case("covtype-2-en-10", "covtype-2", 3e-5, 0.5),
    Case("covtype-2-en-50", "covtype-2", 3.2e-4, 0.5),
    Case("covtype-2-en-90", "covtype-2", 0.018, 0.5),
    Case("spamassassin-l1", "spamassassin", 1.0, 1.0),
    Case("spamassassin-l1-hundreds", "spamassassin", 10.0, 1.0),  # at C = 100 it keeps 428: not thousands
    Case("rotten_tomatoes-l1", "rotten_tomatoes", 1.0, 1.0),
    Case("rotten_tomatoes-l1-hundreds", "rotten_tomatoes", 0.5, 1.0),
    Case("rotten_tomatoes-l1-thousands", "rotten_tomatoes", 3.0, 1.0),
]
# Sets that have cases of their own.
OTHERS = ("rows-", "columns-", "synthetic-0.5-small", "wide-off-zero", "spectra", "heavy-tails")
SCALING = [Case(name, name) for name in DATA if name.startswith(("rows-", "columns-"))]
PLAIN = [Case(name, name) for name in DATA if not name.startswith(OTHERS)]
UNPENALISED = [Case("synthetic-0.5-unpenalised", "synthetic-0.5-small", np.inf)]
WIDE = [Case("wide-l1", "wide", 1.0, 1.0), Case("wide-l1-off-zero", "wide-off-zero", 1.0, 1.0)]
SPECTRA = [
    Case("spectra-l1", "spectra", 100.0, 1.0),
    Case("spectra-en", "spectra", 100.0, 0.5),
    Case("spectra-wide-en", "spectra-wide", 100.0, 0.5),
]
TAILS = [Case("heavy-tails", "heavy-tails", 100.0)]
CASES = {case.name: case for case in [*PLAIN, *UNPENALISED, *TAILS, *SPARSE_CASES, *WIDE, *SPECTRA]}


# How many times separatrix's seconds the fastest other solver should take.
GOALS = {
    "synthetic-0.5": 3.0,
    "synthetic-0.99": 3.0,
    "fraud": 5.0,
    "fraud-raw": 5.0,
    "covtype-2": 3.0,
    "flights": 2.0,
    "covtype-7": 8.0,
    "mnist": 4.0,
    "digits": 1.5,
    "breast_cancer-raw": 1.5,
    "iris": 1.0,
    "wide": 5.0,
    "hiva-like": 5.0,
    "rotten_tomatoes": 1.0,
    "sms_spam": 1.0,
    "spamassassin": 1.0,
    "newsgroups": 3.0,
    **{case.name: 4.0 if case.data in ("fraud", "covtype-2") else 1.0 for case in SPARSE_CASES},
}
SCIKIT_LEARN_GOALS = {"synthetic-0.5": 10.0, "synthetic-0.99": 10.0}  # against scikit-learn's own solvers only
PRIMAL_GOALS = {"rotten_tomatoes", "sms_spam", "spamassassin"}  # the dual of liblinear is not among the others


def chosen(kind: str, names: str, known: dict[str, Any]) -> list[Any]:
    """The values of comma-separated names, or all; SystemExit for an unknown one."""
    wanted = [name for name in names.split(",") if name]
    unknown = set(wanted) - set(known)
    if unknown:
        raise SystemExit(f"no such {kind}: {', '.join(sorted(unknown))}. There are: {', '.join(known)}.")
    return [known[name] for name in wanted or known]


def needed(data: str, read: Read, quick: bool, cache: Path) -> Path:
    """`prepare` for a command that can't do without: SystemExit in one line where the data are not to be had."""
    try:
        return prepare(data, read, quick, cache)
    except (LookupError, OSError) as missing:
        raise SystemExit(f"no data for {data}: {missing}") from None


def prepare(data: str, read: Read, quick: bool, cache: Path) -> Path:
    """Makes or reads a data set and stores it in a folder of the cache, unless it is there; y as codes from 0."""
    folder = cache / data
    if folder.exists():
        return folder
    X, y = DATA[data](read)
    step = max(1, min(QUICK, X.shape[0] // FEWEST)) if quick else 1
    folder.mkdir(parents=True)
    np.save(folder / "y.npy", np.unique(y[::step], return_inverse=True)[1])
    if sparse.issparse(X):
        sparse.save_npz(folder / "X.npz", X[::step], compressed=False)
    else:
        np.save(folder / "X.npy", np.ascontiguousarray(X[::step]))
    if hasattr(os, "sync"):
        os.sync()  # else the first fits are timed while the system still writes
    return folder


def load(folder: Path) -> Data:
    """X, dense in rows or CSR, and y."""
    dense = folder / "X.npy"
    return (np.load(dense) if dense.exists() else sparse.load_npz(folder / "X.npz")), np.load(folder / "y.npy")


def describe(case: Case, folder: Path) -> Problem:
    """The shape of a prepared case."""
    X, y = load(folder)
    rows, columns = X.shape
    return Problem(rows, columns, int(y.max()) + 1, sparse.issparse(X), case.C, case.l1_ratio)


def as_record(case: Case, problem: Problem) -> dict[str, Any]:
    return {"name": case.name, "data": case.data, **asdict(problem)}
