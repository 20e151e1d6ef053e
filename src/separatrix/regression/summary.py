"""A result as a table: text for terminals, HTML for notebooks."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from textwrap import wrap
from typing import Any

import numpy as np
from rich.cells import cell_len, set_cell_size

from separatrix.errors import listing
from separatrix.regression.doubts import doubts

WIDTH = 88
ERRORS = {
    "nonrobust": "Standard errors from the curvature of the likelihood, as if the model were true.",
    "cluster": "Standard errors allow for dependence within {clusters} clusters.",
    "alone": "Standard errors allow for dependence within clusters, but each is one row: they are those of HC1.",
    "firth": "Firth's estimate (Jeffreys' prior): the likelihoods are penalised; P is of penalised likelihood ratio "
    "tests, the intervals are of their profile, standard errors of the information.",
    "flic": "Firth's estimate (Jeffreys' prior) with the intercept of the greatest likelihood (FLIC): P and intervals "
    "are of the penalised likelihood, the intercept's of its standard error.",
    "flac": "Firth's estimate with the prior as rows, told apart by a column (FLAC): P and intervals are of the "
    "likelihood of both.",
}
TITLES = {"firth": "Firth's penalty", "flic": "Firth's penalty (FLIC)", "flac": "Firth's penalty (FLAC)"}
FEW_EVENTS = 10.0  # for each parameter: Peduzzi et al. 1996
PENALISED = (
    "A penalty pulls estimates towards zero: standard errors and p-values would claim more than is known, so none are "
    "shown."
)


@dataclass(frozen=True)
class Summary:
    """A title, facts in pairs of name and value, a table with a header, and notes."""

    title: str
    facts: tuple[tuple[str, str], ...]
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        table = aligned([self.header, *self.rows])
        width = max(WIDTH, cell_len(table[0]))
        notes = [line for note in self.notes for line in wrap(note, width)]
        lines = [self.title.center(width).rstrip(), "=" * width, *side_by_side(self.facts, width), "=" * width]
        return "\n".join([*lines, table[0], "-" * width, *table[1:], "=" * width, *notes])

    def __repr__(self) -> str:
        return str(self)

    def html(self) -> str:
        """The same as an HTML fragment."""
        facts = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in self.facts)
        rows = "".join(f"<tr>{cells('td', row)}</tr>" for row in self.rows)
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        table = f"<table><thead><tr>{cells('th', self.header)}</tr></thead><tbody>{rows}</tbody></table>"
        return f"<h4>{escape(self.title)}</h4><table>{facts}</table>{table}{notes}"

    def _repr_html_(self) -> str:
        return self.html()


def cells(tag: str, row: Sequence[str]) -> str:
    """A row of an HTML table."""
    return "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of a table as lines, the first column to the left and the others to the right, as wide as a terminal has
    them: some characters take two places.

    >>> aligned([("", "coef"), ("x1", "2.0"), ("年", "1.0")])
    ['    coef', 'x1   2.0', '年   1.0']
    """
    widths = [max(cell_len(row[j]) for row in rows) for j in range(len(rows[0]))]

    def right(cells: Sequence[str]) -> list[str]:
        return [" " * (width - cell_len(cell)) + cell for cell, width in zip(cells, widths[1:], strict=True)]

    return ["  ".join([set_cell_size(row[0], widths[0]), *right(row[1:])]) for row in rows]


def side_by_side(facts: Sequence[tuple[str, str]], width: int) -> list[str]:
    """Facts in two columns."""
    half = (len(facts) + 1) // 2
    columns = [aligned(list(part)) for part in (facts[:half], facts[half:]) if part]
    right = columns[1] if len(columns) > 1 else []
    gap = max(width - cell_len(columns[0][0]) - (cell_len(right[0]) if right else 0), 4)
    return [left + (" " * gap + right[k] if k < len(right) else "") for k, left in enumerate(columns[0])]


def number(value: float, digits: int = 4) -> str:
    """A number for a table: fixed where that shows enough of it, otherwise with an exponent.

    >>> number(2.82611, 4), number(1.5e-7, 4), number(np.inf), number(-3482258.63)
    ('2.8261', '1.500e-07', 'inf', '-3482258.6300')
    """
    if not np.isfinite(value) or value == 0 or 1e-4 <= abs(value) < 1e7:
        return f"{value:.{digits}f}"
    return f"{value:.{digits - 1}e}"


def pvalue(p: float) -> str:
    """A p-value to three digits after the point.

    >>> pvalue(0.0421), pvalue(1e-9)
    ('0.042', '<0.001')
    """
    return "<0.001" if p < 0.0005 else f"{p:.3f}"


def coefficient_rows(result: Any, level: float) -> tuple[tuple[str, ...], ...]:
    """A row for each parameter; none of Wald's numbers beside an infinite estimate, nor in a penalised fit."""
    estimates = result._flat(result.params)
    if result.penalty:
        return tuple((name, number(b)) for name, b in zip(result.param_names, estimates, strict=True))
    interval = result.conf_int(level)
    values = [result.bse, result._statistics, interval[..., 0], interval[..., 1]]
    bse, t, low, high = (result._flat(value) for value in values)
    p = result._flat(result.pvalues)
    return tuple(
        (name, number(b), number(bse[j]), f"{t[j]:.3f}", pvalue(p[j]), number(low[j]), number(high[j]))
        if np.isfinite(b)
        else (name, f"{b:+}", *5 * ("",))
        for j, (name, b) in enumerate(zip(result.param_names, estimates, strict=True))
    )


def header(result: Any, level: float) -> tuple[str, ...]:
    """The heads of the columns."""
    letter, tail = ("z" if result.df_inference is None else "t"), (1.0 - level) / 2.0
    test = ("LR chi2", "P") if result._method else (letter, f"P>|{letter}|")
    heads = ("", "coef", "std err", *test, f"[{tail:.3g}", f"{1.0 - tail:.3g}]")
    return heads[:2] if result.penalty else heads


def notes(result: Any) -> tuple[str, ...]:
    """What is to be known beside the numbers."""
    sample, words = result.sample, []
    clusters = " and ".join(map(str, result.n_clusters))
    robust = f"Standard errors are robust to unequal variances ({result.covariance})."
    alone = result.n_clusters == (result.nobs,)
    errors = ERRORS.get(result._method or ("alone" if alone else result.covariance), robust).format(clusters=clusters)
    words.append(f"{PENALISED} {result._remedy}." if result.penalty else errors)
    if getattr(result, "adjustment", None):
        words.append(str(result.adjustment))
    if sample.missing:
        words.append(f"Left out for missing values: {sample.missing} {'row' if sample.missing == 1 else 'rows'}.")
    if sample.dropped:
        words.append(f"Left out, as linear combinations of other columns: {listing(sample.dropped)}.")
    if result.estimate.infinite.any():
        infinite = np.array(result.param_names)[~np.isfinite(result._flat(result.params))]
        words.append(f"No finite estimate exists for {listing(infinite)}: {result.estimate.separation.reason}.")
    elif not result.estimate.converged:
        words.append("The fit did not converge: do not trust these numbers.")
    words += [doubt[0].upper() + doubt[1:] for doubt in doubts(result)]
    return (*words, *cautions(result))


def cautions(result: Any) -> list[str]:
    """What may make an unpenalised fit worse than it looks: columns that say the same, and few events."""
    words = []
    if result.penalty or result.estimate.infinite.any():
        return words
    for index, columns in result.collinearity().dependencies:
        names = [name for name in columns if name in result.sample.names]
        if len(names) > 1:
            words.append(f"Condition number {index:.3g}: {listing(names)} nearly depend on each other.")
    events = getattr(result, "events_per_parameter", FEW_EVENTS)
    if events < FEW_EVENTS and not result._method:
        words.append(
            f"{events:.1f} events per parameter, fewer than {FEW_EVENTS:g}: estimates may lie too far from zero. "
            "Firth's penalty takes that bias out."
        )
    return words


def count(number: float) -> str:
    """A number of observations, which weights may make no whole one.

    >>> count(1234567.0), count(2.5)
    ('1234567', '2.5')
    """
    return f"{number:.0f}" if number == round(number) else f"{number:.10g}"


def logit_summary(result: Any, level: float) -> Summary:
    """The summary of a logistic regression."""
    first, *others = result.classes
    modelled = f"{others[0]} (against {first})" if len(others) == 1 else f"{listing(others)} (reference {first})"
    facts = [
        ("Outcome", result.sample.outcome.name),
        ("Modelled", modelled),
        ("Observations", count(result.nobs)),
        ("Df residuals, model", f"{count(result.df_resid)}, {count(result.df_model)}"),
        ("Events per parameter", f"{result.events_per_parameter:.1f}"),
        ("Penalised log-likelihood" if result._method else "Log-likelihood", f"{result.llf:.4f}"),
        ("Of the null model", f"{result.llnull:.4f}"),
    ]
    if not result.penalty:
        facts.append(("P of their ratio", f"{result.llr_pvalue:.3g}"))
        which = ", without prior" if result._method else "" if result.sample.outcome.trials is None else ", of trials"
        facts.append((f"McFadden's R2{which}", f"{result.pseudo_r2.mcfadden:z.4f}"))
        facts.append(("AIC, BIC", f"{result.aic:.2f}, {result.bic:.2f}"))
    title = "Logistic regression" if len(others) == 1 else "Multinomial logistic regression"
    title += f" by {TITLES[result._method]}" if result._method else ""
    return Summary(title, tuple(facts), header(result, level), coefficient_rows(result, level), notes(result))


def ols_summary(result: Any, level: float) -> Summary:
    """The summary of a linear regression."""
    facts = [
        ("Outcome", result.sample.outcome.name),
        ("Observations", count(result.nobs)),
        ("Df residuals, model", f"{count(result.df_resid)}, {count(result.df_model)}"),
        ("Log-likelihood", f"{result.llf:.4f}"),
        ("R2", f"{result.rsquared:.4f}"),
    ]
    if not result.penalty:
        facts.append(("R2, adjusted", f"{result.rsquared_adj:.4f}"))
        facts.append(("Standard error", f"{np.sqrt(result.scale):.6g}"))
        facts.append(("F, its P", f"{result.fvalue:.4g}, {result.f_pvalue:.3g}" if result.df_model else "none"))
        facts.append(("AIC, BIC", f"{result.aic:.2f}, {result.bic:.2f}"))
    rows = coefficient_rows(result, level)
    return Summary("Linear regression", tuple(facts), header(result, level), rows, notes(result))
