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
from statsmodels.datasets import anes96, longley, spector, star98
from statsmodels.discrete.tests.results import results_discrete
from statsmodels.genmod.tests.results import results_glm

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
BUDWORM = np.array([1, 4, 9, 13, 18, 20, 0, 2, 6, 10, 12, 16])  # of 20, by doubling doses: males, females


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


def birth_weights() -> pd.DataFrame:
    """Hosmer and Lemeshow's data, as statsmodels ships them."""
    data = pd.read_csv(Path(statsmodels.__file__).parent / "genmod/tests/results/stata_lbw_glm.csv")
    data["race"] = pd.Categorical(data["race"], ["white", "black", "other"])
    return data


def test_birth_weights_as_in_the_manual_of_stata():
    # Odds ratios and errors of [R] logistic, example 1.
    data = birth_weights()
    result = logit("low ~ age + lwt + race + smoke + ptl + ht + ui", data)
    ratios = result.odds_ratios()["odds_ratio"].to_numpy()
    known = [0.9732636, 0.9849634, 3.534767, 2.368079, 2.517698, 1.719161, 6.249602, 2.1351]
    errors = [0.0354759, 0.0068217, 1.860737, 1.039949, 1.00916, 0.5952579, 4.322408, 0.9808153]
    np.testing.assert_allclose(ratios[1:], known, rtol=5e-7)
    np.testing.assert_allclose((ratios * result.bse)[1:], errors, rtol=2e-5)
    assert (round(result.llf, 3), round(result.llr, 2), round(result.prsquared, 4)) == (-100.724, 33.22, 0.1416)


def test_all_columns_of_the_birth_weights_as_the_examples_of_mass_have_them():
    # R package MASS, example(birthwt), as its own tests keep the output: earlier premature labours yes or no, visits 0,
    # 1 and more. One mother weighs a pound less there than in Stata's copy.
    data = birth_weights()
    data.loc[data["id"] == 76, "lwt"] = 105
    data["ptd"] = (data["ptl"] > 0).astype(int)
    data["ftv"] = pd.Categorical(data["ftv"].clip(upper=2).astype(str), ["0", "1", "2"])
    result = logit("low ~ age + lwt + race + smoke + ptd + ht + ui + ftv", data)
    known = [0.82302, -0.03723, -0.01565, 1.19241, 0.74068, 0.75553, 1.34376, 1.91317, 0.68020, -0.43638, 0.17901]
    assert result.params.round(5).tolist() == known
    assert (round(result.deviance, 1), round(result.aic, 1)) == (195.5, 217.5)


def test_budworms_as_the_examples_of_mass_have_them():
    # Venables and Ripley, Modern Applied Statistics with S, section 7.2; R package MASS, example(dose.p), as its own
    # tests keep the output: the log2 dose that kills a quarter, half and three quarters of the females.
    data = {"dead": BUDWORM, "alive": 20 - BUDWORM, "sex": ["M"] * 6 + ["F"] * 6, "ldose": [*range(6)] * 2}
    result = logit("dead + alive ~ 0 + sex + ldose", data)
    a, _, b = result.params
    dose = (np.log([1 / 3, 1.0, 3.0]) - a) / b
    slope = np.column_stack([np.ones(3), np.zeros(3), dose]) / -b
    error = np.sqrt(np.einsum("ij,jk,ik->i", slope, result.cov_params(), slope))
    assert dose.round(6).tolist() == [2.231265, 3.263587, 4.295910]
    np.testing.assert_allclose(error, [0.2499089, 0.2297539, 0.2746874], atol=1.5e-7)


# Cases of oesophageal cancer and controls by age group, alcohol and tobacco, each coded from 1 for the least; not all
# combinations occur.
ESOPH = """
111:0:40 112:0:10 113:0:6 114:0:5 121:0:27 122:0:7 123:0:4 124:0:7 131:0:2 132:0:1 134:0:2 141:0:1 142:1:0 143:0:1
144:0:2 211:0:60 212:1:13 213:0:7 214:0:8 221:0:35 222:3:20 223:1:13 224:0:8 231:0:11 232:0:6 233:0:2 234:0:1
241:2:1 242:0:3 243:2:2 311:1:45 312:0:18 313:0:10 314:0:4 321:6:32 322:4:17 323:5:10 324:5:2 331:3:13 332:6:8
333:1:4 334:2:2 341:4:0 342:3:1 343:2:1 344:4:0 411:2:47 412:3:19 413:3:9 414:4:2 421:9:31 422:6:15 423:4:13
424:3:3 431:9:9 432:8:7 433:3:3 434:4:0 441:5:5 442:6:1 443:2:1 444:5:1 511:5:43 512:4:10 513:2:5 514:0:2 521:17:17
522:3:7 523:5:4 531:6:7 532:4:8 533:2:1 534:1:0 541:3:1 542:1:1 543:1:0 544:1:0 611:1:17 612:2:4 614:1:2 621:2:3
622:1:2 623:0:3 624:1:0 631:1:0 632:1:0 641:2:0 642:1:0
"""


def esoph() -> pd.DataFrame:
    """Breslow and Day 1980, Statistical Methods in Cancer Research 1, appendix I; R's esoph since 4.0.4, which has
    the controls right."""
    cells = [group.split(":") for group in ESOPH.split()]
    return pd.DataFrame(
        [(*map(int, code), int(cases), int(controls)) for code, cases, controls in cells],
        columns=["age", "alcohol", "tobacco", "cases", "controls"],
    )


def test_esoph_as_r_prints_it():
    # R, example(esoph), since version 4.0.4: polynomial contrasts of age, alcohol and tobacco as numbers.
    data = esoph()
    assert data[["cases", "controls"]].sum().tolist() == [200, 775]
    result = logit("cases + controls ~ C(age, contr.poly) + tobacco + alcohol", data)
    known = [-4.92067, 3.81892, -1.49473, 0.07923, 0.12136, -0.24856, 0.43955, 1.06766]
    errors = [0.37344, 0.67862, 0.60671, 0.46318, 0.32203, 0.21153, 0.09623, 0.10493]
    assert result.params.round(5).tolist() == known
    # R's errors are from the weights of the iteration before its last: a unit of the fifth decimal at most.
    np.testing.assert_allclose(result.bse, errors, atol=1.5e-5)
    assert (round(result.deviance, 3), result.df_resid, result.nobs) == (91.121, 80, 88)
    assert round(2 * (result.llf - result.llnull) + result.deviance, 3) == 367.953
    assert round(result.aic, 2) == 222.18


def test_the_deviances_of_esoph_fall_as_r_prints_it():
    # R, example(esoph), since version 4.0.4: anova of terms added one after another.
    data, terms = esoph(), ["C(age)", "C(tobacco)", "C(alcohol)", "C(tobacco):C(alcohol)"]
    fits = [logit(f"cases + controls ~ {' + '.join(['1', *terms[:k]])}", data) for k in range(5)]
    assert [round(fit.deviance, 2) for fit in fits] == [367.95, 246.91, 210.27, 82.34, 76.89]
    assert [fit.df_resid for fit in fits] == [87, 82, 79, 76, 67]


def test_anes96_as_stata_prints_it():
    # Stata 11, mlogit of party identification, as statsmodels keeps it; the constant comes last there.
    known, data = results_discrete.Anes.mnlogit_basezero, anes96.load_pandas()
    result = logit(data.endog, data.exog)
    order = [*range(1, 6), 0]
    np.testing.assert_allclose(result.params[order], known.params, rtol=2e-6, atol=1e-8)
    np.testing.assert_allclose(result.bse[order], known.bse, rtol=1e-6)
    np.testing.assert_allclose(result.pvalues[order], known.pvalues, rtol=1e-6, atol=1e-9)
    for name in ("llf", "llnull", "llr", "prsquared", "aic", "bic"):
        np.testing.assert_allclose(getattr(result, name), getattr(known, name), rtol=1e-9, err_msg=name)
    assert (result.df_model, result.df_resid, result.nobs) == (30, 908, 944)


def test_spector_and_mazzeo_as_stata_prints_it():
    # Stata, logit of the grade on GPA, TUCE and PSI, as statsmodels keeps it; the constant comes last there.
    known, data = results_discrete.Spector.logit, spector.load_pandas()
    result = logit(data.endog, data.exog)
    order = [1, 2, 3, 0]
    np.testing.assert_allclose(result.params[order], known.params, rtol=1e-6)
    np.testing.assert_allclose(result.bse[order], known.bse, rtol=1e-6)
    # Stata read the columns in single precision.
    np.testing.assert_allclose([result.llf, result.llnull], [known.llf, known.llnull], rtol=1e-7)


def test_grouped_schools_as_r_and_stata_print_them():
    # California's schools of 1998 (Gill 2000), above and below the median; estimates of R, errors of Stata, as
    # statsmodels keeps them; the constant comes last there.
    known, data = results_glm.Star98(), star98.load_pandas()
    result = logit(data.endog, data.exog)
    order = [*range(1, 21), 0]
    np.testing.assert_allclose(result.params[order], known.params, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(result.bse[order], known.bse, rtol=1e-5)
    assert result.llf == pytest.approx(known.llf, rel=1e-9)
    assert result.deviance == pytest.approx(known.deviance, rel=1e-9)
