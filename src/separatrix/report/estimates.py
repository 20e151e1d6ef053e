"""What a regression says of its coefficients, as a plain dict: the table of estimates, tests, and what to know."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from separatrix.errors import listing
from separatrix.fits.inferred import Inferred, overall_test, term_tests
from separatrix.inference.goodness import FEWEST_GROUPS, HosmerLemeshow, hosmer_lemeshow, quantile_groups
from separatrix.inference.wald import Test
from separatrix.regression.logit_result import LogitResult
from separatrix.regression.ols_result import OLSResult
from separatrix.regression.summary import notes

LEVEL = 0.95
INFLATED = 10.0  # variance inflation that is worth a word
GROUPS = 10
MOST_COLUMNS = 300  # whose dependence on each other is looked for: dense, it takes longer than the fit

Summary = dict[str, Any]


def summarize_estimates(inferred: Inferred) -> Summary:
    """Estimates by class, tests, facts and notes, as a JSON-able dict."""
    result = inferred.result
    classes = [str(label) for label in result.sample.outcome.classes]
    compared = [{"of": label, "rows": []} for label in classes[1:]] if len(classes) > 2 else [{"of": None, "rows": []}]
    rows = estimate_rows(result)
    found = {"all columns": overall_test(inferred)} if rows[1:] else {}
    found |= term_tests(inferred)
    for k, part in enumerate(compared):
        part["rows"] = rows[k :: len(compared)]
    return {
        "observations": f"{result.nobs:,.10g}",
        "statistic": "z" if result.df_inference is None else "t",
        "level": f"{100 * LEVEL:g} %",
        "infinite": bool(result.estimate.infinite.any()),
        "reference": classes[0] if len(classes) > 2 else None,
        "parts": compared,
        "tests": tests(inferred, found),
        "facts": [{"fact": name, "value": value} for name, value in facts(inferred)],
        "notes": list(words(inferred, [what for what, test in found.items() if test is None])),
    }


def estimate_rows(result: LogitResult | OLSResult) -> list[Summary]:
    """A row for each parameter, those of one feature side by side; numbers are None beside an infinite estimate."""
    interval = result.conf_int(LEVEL)
    with np.errstate(over="ignore"):
        ratios = np.where(np.isfinite(result.params), np.exp(result.params), np.nan)
    columns = {
        "coefficient": result.params,
        "std_error": result.bse,
        "statistic": result.tvalues,
        "p_value": result.pvalues,
        "low": interval[..., 0],
        "high": interval[..., 1],
        "odds_ratio": ratios if isinstance(result, LogitResult) else np.full_like(ratios, np.nan),
    }
    flat = {name: np.ravel(values) for name, values in columns.items()}
    K = result.sample.outcome.columns
    return [
        {
            "feature": result.sample.parameters[place // K],
            "infinite": f"{b:+}" if np.isinf(b) else None,
            **{name: finite(values[place]) for name, values in flat.items()},
        }
        for place, b in enumerate(flat["coefficient"].tolist())
    ]


def finite(value: Any) -> float | None:
    """The number, or None for one that is none."""
    return float(value) if np.isfinite(value) else None


def tests(inferred: Inferred, found: Mapping[str, Test | None]) -> list[Summary]:
    """Tests as rows, and how well probabilities hold."""
    rows = [test_row(what, test) for what, test in found.items() if test]
    held = fit_in_groups(inferred)
    if held:
        chi2 = {"method": "Hosmer-Lemeshow", "value": held.statistic, "df": f"{held.df}", "p_value": held.pvalue}
        rows.append({"what": f"probabilities, in {len(held.counts)} groups", **chi2})
    return rows


def test_row(what: str, test: Test) -> Summary:
    """A test as a row."""
    df = f"{test.df}" if test.df_denom is None else f"{test.df}, {test.df_denom:g}"
    method = test.method if test.df_denom is None else "F"
    return {"what": what, "method": method, "value": test.statistic, "df": df, "p_value": test.pvalue}


def fit_in_groups(inferred: Inferred) -> HosmerLemeshow | None:
    """Hosmer-Lemeshow of the training rows; None for several classes, numbers, infinite estimates, sampling weights,
    which it does not allow for, rows that are not in memory, and where predictions differ too little."""
    result = inferred.result
    if not result.sample.in_memory:
        return None
    if not isinstance(result, LogitResult) or len(result.classes) > 2:
        return None
    if inferred.sampling or result.estimate.infinite.any():
        return None
    weight, p = result.sample.weight, result.fittedvalues
    if quantile_groups(p, weight, GROUPS).max() + 1 < FEWEST_GROUPS:
        return None
    return hosmer_lemeshow(result.sample.outcome.y[:, 0], p, GROUPS, weight)


def facts(inferred: Inferred) -> list[tuple[str, float]]:
    """How much the columns explain, and how much there was to explain it from."""
    result = inferred.result
    if isinstance(result, OLSResult):
        found = [("R²", result.rsquared), ("R², adjusted", result.rsquared_adj)]
        found += [("residual standard error", float(np.sqrt(result.scale)))]
    else:
        r2 = result.pseudo_r2
        found = [("R², McFadden", r2.mcfadden), ("R², Cox and Snell", r2.cox_snell)]
        found += [("R², Nagelkerke", r2.nagelkerke), ("R², Tjur", r2.tjur)]
        found += [("events for each coefficient", result.events_per_parameter)]
    if not inferred.sampling:
        found += [("log-likelihood", result.llf), ("AIC", result.aic), ("BIC", result.bic)]
    return [(name, float(value)) for name, value in found if np.isfinite(value)]


def words(inferred: Inferred, untested: Sequence[str]) -> Iterable[str]:
    """What is to be known beside the numbers, in sentences; `untested` are terms that have no test."""
    result = inferred.result
    sample = result.sample
    if sample.outcome.columns > 1:
        yield f"Every class is compared with {sample.outcome.classes[0]}, the reference."
    shown = replace(result, sample=replace(sample, dropped=()))
    yield from notes(shown)
    if untested:
        why = "an estimate is infinite" if result.estimate.infinite.any() else "their covariance is singular"
        yield f"No Wald test of {listing(untested)}: {why}."
    if inferred.sampling:
        yield (
            "A weight says how many rows a row speaks for: it counts in the estimates, but a row is one observation. "
            "Without the strata and clusters of a survey, its standard errors are not known better."
        )
    elif sample.observations != sample.n_rows:
        yield "A row stands for as many independent observations as its frequency says."
    if inferred.left_out:
        yield f"Left out, as they say nothing that other columns do not: {listing(inferred.left_out)}."
    if not (sample.in_memory or inferred.sampling) and len(sample.outcome.classes) == 2:
        yield "Rows stay where they are, so how probabilities hold in groups of them (Hosmer-Lemeshow) is not tested."
    if names := inflated(shown):
        yield f"Standard errors are large as columns say much the same; variance inflation: {listing(names)}."


def inflated(result: LogitResult | OLSResult) -> list[str]:
    """Columns whose standard errors are large as others say much the same, with their variance inflation."""
    if len(result.sample.names) > MOST_COLUMNS:
        return []
    found = result.collinearity()
    pairs = zip(found.names, found.variance_inflation, strict=True)
    return [f"{name} ({value:,.4g})" for name, value in pairs if value >= INFLATED]
