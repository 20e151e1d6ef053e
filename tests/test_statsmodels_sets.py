"""Every data set that statsmodels ships and that a binary, multinomial or linear model makes sense of: both agree."""

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from separatrix import logit, ols

EXACT = 1e-8


def data_of(name: str) -> pd.DataFrame:
    return import_module(f"statsmodels.datasets.{name}").load_pandas().data


def assert_agrees(ours: Any, theirs: Any, names: tuple[str, ...] = ("params", "bse", "llf", "pvalues")) -> None:
    for name in names:
        known = np.asarray(getattr(theirs, name), dtype=float)
        np.testing.assert_allclose(getattr(ours, name), known, rtol=EXACT, atol=1e-13, err_msg=name)


# The outcome, and the columns that explain it: all others where there are none.
LINEAR: dict[str, tuple[str, list[str]]] = {
    "cancer": ("cancer", []),
    "ccard": ("AVGEXP", []),
    "committee": ("BILLS104", []),
    "copper": ("WORLDCONSUMPTION", []),
    "cpunish": ("EXECUTIONS", []),
    "engel": ("foodexp", []),
    "fair": ("affairs", []),
    "grunfeld": ("invest", ["value", "capital"]),
    "heart": ("survival", []),
    "longley": ("TOTEMP", []),
    "macrodata": ("realcons", ["realgdp", "realinv", "cpi", "unemp", "tbilrate"]),
    "modechoice": ("gc", ["ttme", "invc", "invt", "hinc", "psize"]),
    "randhie": ("mdvis", []),
    "scotland": ("YES", []),
    "stackloss": ("STACKLOSS", []),
    "statecrime": ("murder", []),
    "strikes": ("duration", []),
}


@pytest.mark.parametrize("name", LINEAR)
def test_a_linear_model_agrees(name):
    data, (outcome, columns) = data_of(name), LINEAR[name]
    y, X = data[outcome].astype(float), data[columns or [c for c in data.columns if c != outcome]].astype(float)
    if name == "longley":  # where statsmodels' own errors are off NIST's in the eighth digit, but for centred columns
        X = X - X.mean()
    # By QR: the pseudo-inverse squares the condition of the covariance.
    theirs = sm.OLS(y, sm.add_constant(X)).fit(method="qr")
    assert_agrees(ols(y, X), theirs, ("params", "bse", "llf", "pvalues", "rsquared", "scale", "fvalue"))


def spector(data: pd.DataFrame) -> tuple[Any, Any]:
    return data["GRADE"], data[["GPA", "TUCE", "PSI"]]


def fair(data: pd.DataFrame) -> tuple[Any, Any]:
    """Any affair at all."""
    return data["affairs"] > 0, data.drop(columns="affairs")


def heart(data: pd.DataFrame) -> tuple[Any, Any]:
    """Whether the patient was known to have died."""
    return data["censors"], data[["age"]]


def modechoice(data: pd.DataFrame) -> tuple[Any, Any]:
    """Whether a way to travel was the one chosen."""
    return data["choice"], data[["ttme", "invc", "invt", "hinc"]]


def randhie(data: pd.DataFrame) -> tuple[Any, Any]:
    """Any visit at all."""
    return data["mdvis"] > 0, data.drop(columns="mdvis")


@pytest.mark.parametrize("of", [spector, fair, heart, modechoice, randhie], ids=lambda of: of.__name__)
def test_a_binary_model_agrees(of: Callable[[pd.DataFrame], tuple[Any, Any]]):
    y, X = of(data_of(of.__name__))
    theirs = sm.Logit(y.astype(int), sm.add_constant(X)).fit(disp=0, method="newton", tol=1e-14, maxiter=100)
    assert_agrees(logit(y.astype(int), X), theirs, ("params", "bse", "llf", "llnull", "pvalues"))


def anes96(data: pd.DataFrame) -> tuple[Any, Any]:
    """Which of seven party identifications."""
    return data["PID"], data[["logpopul", "selfLR", "age", "educ", "income"]]


def travel(data: pd.DataFrame) -> tuple[Any, Any]:
    """Which of four ways to travel each of 210 people chose."""
    return data["mode"][data["choice"] == 1], data[["hinc", "psize"]][data["choice"] == 1]


def marriages(data: pd.DataFrame) -> tuple[Any, Any]:
    """Which of five ratings of a marriage."""
    return data["rate_marriage"], data[["age", "yrs_married", "children", "religious"]]


@pytest.mark.parametrize(("name", "of"), [("anes96", anes96), ("modechoice", travel), ("fair", marriages)])
def test_a_multinomial_model_agrees(name: str, of: Callable[[pd.DataFrame], tuple[Any, Any]]):
    y, X = of(data_of(name))
    model = sm.MNLogit(np.unique(y, return_inverse=True)[1], sm.add_constant(X.to_numpy(dtype=float)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a Hessian that needed no more steps
        theirs = model.fit(disp=0, method="newton", tol=1e-14, maxiter=100)
    assert_agrees(logit(y.astype(int), X), theirs, ("params", "bse", "llf", "llnull", "pvalues"))


def test_a_grouped_model_of_schools_agrees():
    data = import_module("statsmodels.datasets.star98").load_pandas()
    theirs = sm.GLM(data.endog, sm.add_constant(data.exog), sm.families.Binomial()).fit(tol=1e-14, maxiter=100)
    assert_agrees(logit(data.endog, data.exog), theirs)


def test_a_grouped_model_of_smoking_in_chinese_cities_agrees():
    tables = import_module("statsmodels.datasets.china_smoking").load_pandas().data
    rows = []
    for city, row in tables.iterrows():
        smoker = {"city": city, "smokes": 1, "cancer": row.iloc[0], "well": row.iloc[1]}
        rows += [smoker, {"city": city, "smokes": 0, "cancer": row.iloc[2], "well": row.iloc[3]}]
    data = pd.DataFrame(rows)
    X = pd.get_dummies(data[["city", "smokes"]], drop_first=True).astype(float)
    theirs = sm.GLM(data[["cancer", "well"]], sm.add_constant(X), sm.families.Binomial()).fit(tol=1e-14, maxiter=100)
    assert_agrees(logit(data[["cancer", "well"]], X), theirs)
