"""Regressions against numbers that others published, each with its source.

NIST: Statistical Reference Datasets, linear regression (National Institute of Standards and Technology, public domain),
with certified estimates, standard deviations of estimates, residual standard deviation and R squared.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels
from statsmodels.datasets import longley

from separatrix import logit, ols
from test_least_squares import FILIP, FILIP_DATA, LONGLEY, WAMPLER_NOISE, digits, powers

NORRIS = """
0.1 0.2  338.8 337.4  118.1 118.2  888.0 884.6  9.2 10.1  228.1 226.5  668.5 666.3  998.5 996.3  449.1 448.6
778.9 777.0  559.2 558.2  0.3 0.4  0.1 0.6  778.1 775.5  668.8 666.9  339.3 338.0  448.9 447.5  10.8 11.6
557.7 556.0  228.3 228.1  998.0 995.8  888.8 887.6  119.6 120.2  0.3 0.3  0.6 0.3  557.6 556.8  339.3 339.1
888.0 887.2  998.5 999.0  778.9 779.0  10.2 11.1  117.6 118.3  228.9 229.2  668.4 669.1  449.2 448.9  0.2 0.5
"""
PONTIUS = """
.11019 .21956 .32949 .43899 .54803 .65694 .76562 .87487 .98292 1.09146 1.20001 1.30822 1.41599 1.52399 1.63194 1.73947
1.84646 1.95392 2.06128 2.16844
.11052 .22018 .32939 .43886 .54798 .65739 .76596 .87474 .98300 1.09150 1.20004 1.30818 1.41613 1.52408 1.63159 1.73965
1.84696 1.95445 2.06177 2.16829
"""
FILIP_ERRORS = [298.084530995537, 559.779865474950, 466.477572127796, 227.204274477751, 71.6478660875927]
FILIP_ERRORS += [15.2897178747400, 2.23691159816033, 0.221624321934227, 0.142363763154724e-1, 0.535617408889821e-3]
FILIP_ERRORS += [0.896632837373868e-5]
LONGLEY_ERRORS = [890420.383607373, 84.9149257747669, 0.334910077722432e-1, 0.488399681651699, 0.214274163161675]
LONGLEY_ERRORS += [0.226073200069370, 455.478499142212]
WAMPLER_ERRORS = [2152.32624678170, 2363.55173469681, 779.343524331583, 101.475507550350, 5.64566512170752]
WAMPLER_ERRORS += [0.112324854679312]


def numbers(text: str) -> np.ndarray:
    return np.array(text.split(), dtype=float)


def assert_certified(result: Any, params: Any, errors: Any, sd: float, r2: float, least: float) -> None:
    """So many digits of estimates and errors, and as many of the residual standard deviation and R squared."""
    assert digits(result.params, params) >= least
    assert digits(result.bse, errors) >= least
    assert digits([np.sqrt(result.scale)], [sd]) >= least
    assert digits([result.rsquared], [r2]) >= least


def test_norris():
    y, x = numbers(NORRIS).reshape(-1, 2).T
    assert_certified(
        ols(y, x),
        [-0.262323073774029, 1.00211681802045],
        [0.232818234301152, 0.429796848199937e-3],
        0.884796396144373,
        0.999993745883712,
        11,
    )


def test_pontius():
    y, x = numbers(PONTIUS), np.tile(np.arange(1, 21) * 150_000.0, 2)
    params = [0.673565789473684e-3, 0.732059160401003e-6, -0.316081871345029e-14]
    errors = [0.107938612033077e-3, 0.157817399981659e-9, 0.486652849992036e-16]
    assert_certified(ols(y, powers(x, 2)), params, errors, 0.205177424076185e-3, 0.999999900178537, 10)


def test_no_intercept_1_and_2():
    first = ols(np.arange(130.0, 141.0), np.arange(60.0, 71.0), intercept=False)
    assert_certified(first, [2.07438016528926], [0.165289256198347e-1], 3.56753034006338, 0.999365492298663, 13)
    assert digits([first.fvalue], [15750.25]) > 10
    second = ols([3.0, 4.0, 4.0], np.array([4.0, 5.0, 6.0]), intercept=False)
    assert_certified(second, [0.727272727272727], [0.420827318078432e-1], 0.369274472937998, 0.993348115299335, 13)


def test_longley():
    data = longley.load_pandas()
    result = ols(data.endog, data.exog)
    assert_certified(result, LONGLEY, LONGLEY_ERRORS, 304.854073561965, 0.995479004577296, 11)
    assert digits([result.fvalue], [330.285339234588]) > 11


def test_filip():
    y, x = numbers(FILIP_DATA).reshape(-1, 2).T
    result = ols(y, powers(x, 10))
    assert_certified(result, FILIP, FILIP_ERRORS, 0.334801051324544e-2, 0.996727416185620, 7)


@pytest.mark.parametrize("number", [1, 2])
def test_wampler_1_and_2_fit_exactly(number):
    x, b = np.arange(21.0), np.ones(6) if number == 1 else 0.1 ** np.arange(6)
    y = powers(x, 5) @ b[1:] + b[0]
    result = ols(y, powers(x, 5))
    assert digits(result.params, b) >= 12
    assert np.all(result.bse < 1e-9 * np.abs(b))
    assert result.rsquared == 1.0


@pytest.mark.parametrize(
    ("scale", "r2"), [(1, 0.999995559025820), (100, 0.957478440825662), (10_000, 0.224668921574940e-2)]
)
def test_wampler_3_to_5(scale, r2):
    x = np.arange(21.0)
    y = 1.0 + powers(x, 5).sum(axis=1) + scale * WAMPLER_NOISE
    result = ols(y, powers(x, 5))
    errors = scale * np.array(WAMPLER_ERRORS)
    # The errors of 10,000 times the noise are millions of times the estimates, which have their digits all the same.
    assert_certified(result, np.ones(6), errors, scale * 2360.14502379268, r2, 13)


def test_beetles_of_bliss_as_in_dobson():
    # Dobson, An Introduction to Generalized Linear Models, 2nd edition, tables 7.2 and 7.4; deviance 11.23 on 6 df.
    dose = np.array([1.6907, 1.7242, 1.7552, 1.7842, 1.8113, 1.8369, 1.8610, 1.8839])
    n = np.array([59, 60, 62, 56, 63, 59, 62, 60])
    killed = np.array([6, 13, 18, 28, 52, 53, 61, 60])
    data = {"dose": dose, "killed": killed, "alive": n - killed}
    result = logit("killed + alive ~ dose", data)
    assert result.params.round(3).tolist() == [-60.717, 34.270]
    assert result.bse.round(2).tolist() == [5.18, 2.91]
    assert round(result.deviance, 2) == 11.23
    assert (result.df_resid, result.nobs) == (6, 8)


LIZARDS = {  # grahami and opalinus, early, midday, late
    ("low", "thin", "sunny"): [20, 2, 8, 1, 4, 4],
    ("low", "thin", "shady"): [34, 11, 69, 20, 18, 10],
    ("low", "thick", "sunny"): [8, 3, 4, 1, 5, 3],
    ("low", "thick", "shady"): [17, 15, 60, 32, 8, 8],
    ("high", "thin", "sunny"): [13, 0, 8, 0, 12, 0],
    ("high", "thin", "shady"): [31, 5, 55, 4, 13, 3],
    ("high", "thick", "sunny"): [6, 0, 0, 0, 1, 1],
    ("high", "thick", "shady"): [12, 1, 21, 5, 4, 4],
}


def lizards() -> dict[str, list[Any]]:
    """McCullagh and Nelder, Generalized Linear Models, 2nd edition, table 4.5 (after Schoener 1970), a row each."""
    columns = ("height", "diameter", "light", "time", "grahami", "opalinus")
    rows = [
        (*perch, time, *counts[2 * k : 2 * k + 2])
        for perch, counts in LIZARDS.items()
        for k, time in enumerate(("early", "midday", "late"))
    ]
    return {name: list(values) for name, values in zip(columns, zip(*rows, strict=True), strict=True)}


def test_lizards_as_in_mccullagh_and_nelder():
    # Section 4.6: the model of main effects has a deviance of 14.20 on 17 degrees of freedom.
    formula = "grahami + opalinus ~ C(height, contr.treatment('low')) + C(diameter, contr.treatment('thin'))"
    formula += " + C(light, contr.treatment('sunny')) + C(time, contr.treatment('early'))"
    result = logit(formula, lizards())
    assert round(result.deviance, 2) == 14.20
    assert result.df_resid == 17  # 23 sites: one has no lizard
    assert result.params.round(2).tolist() == [1.94, 1.13, -0.76, -0.85, -0.74, 0.23]  # table 4.6: late, midday


def test_birth_weights_as_in_the_manual_of_stata():
    # Hosmer and Lemeshow's data as statsmodels ships them; odds ratios and errors of [R] logistic, example 1.
    data = pd.read_csv(Path(statsmodels.__file__).parent / "genmod/tests/results/stata_lbw_glm.csv")
    data["race"] = pd.Categorical(data["race"], ["white", "black", "other"])
    result = logit("low ~ age + lwt + race + smoke + ptl + ht + ui", data)
    ratios = result.odds_ratios()["odds_ratio"].to_numpy()
    known = [0.9732636, 0.9849634, 3.534767, 2.368079, 2.517698, 1.719161, 6.249602, 2.1351]
    errors = [0.0354759, 0.0068217, 1.860737, 1.039949, 1.00916, 0.5952579, 4.322408, 0.9808153]
    np.testing.assert_allclose(ratios[1:], known, rtol=5e-7)
    np.testing.assert_allclose((ratios * result.bse)[1:], errors, rtol=2e-5)
    assert (round(result.llf, 3), round(result.llr, 2), round(result.prsquared, 4)) == (-100.724, 33.22, 0.1416)
