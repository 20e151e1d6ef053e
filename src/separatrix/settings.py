"""What a user may decide about a fit, and what of it goes together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from separatrix.arguments import check_whole
from separatrix.data.tables.columns import Rules, Unseen
from separatrix.engine.paths.selection import Folds
from separatrix.errors import ArgumentError, listing
from separatrix.inference.covariance import COVARIANCES


@dataclass(frozen=True)
class Settings:
    """What a user may decide about a fit; see `separatrix fit --help`.

    C is the inverse strength of the penalty on standardised columns, (1 - l1_ratio) |w|^2 / 2 + l1_ratio |w|_1; None is
    the default: 1 for classes, and no penalty for a regression. `cv`, a number of folds or "loo", chooses it by
    cross-validation on the training rows.

    `inference` fits without a penalty, and gives every coefficient its standard error by `covariance`, "nonrobust" or
    robust ("HC0" to "HC3", "cluster" by the column `cluster`). `offset` names the column that is added to the linear
    predictor; `weight` or `frequency` the one that says what a row counts: as a sample of rows that were not observed,
    or as so many observations that were.
    """

    positive: str | None = None
    regression: bool = False
    drop: Sequence[str] = ()
    categorical: Sequence[str] = ()
    numeric: Sequence[str] = ()
    text: Sequence[str] = ()
    date: Sequence[str] = Rules.date
    unseen: Unseen = "pool"
    floor: float | None = None
    text_width: int = Rules.text_width
    C: float | None = None
    cv: Folds | None = None
    l1_ratio: float = 0.0
    test_size: float = 0.25
    seed: int = 0
    solver: str = "auto"
    tol: float = 1e-8
    max_iter: int = 100
    inference: bool = False
    covariance: str | None = None
    cluster: str | None = None
    offset: str | None = None
    weight: str | None = None
    frequency: str | None = None

    @property
    def beside(self) -> list[str]:
        """The columns that stand beside the features, and are none."""
        return [name for name in (self.offset, self.weight, self.frequency, self.cluster) if name is not None]

    @property
    def counted_by(self) -> str | None:
        """The column that says what a row counts, of either kind."""
        return self.weight or self.frequency

    @property
    def columns(self) -> dict[str, Any]:
        """What is told of columns, as `Columns.learn` takes it."""
        names = ("categorical", "numeric", "text", "date", "floor", "text_width", "unseen")
        drop = [name for name in self.drop if name not in self.beside]
        return {"drop": drop, **{name: getattr(self, name) for name in names}}

    @property
    def errors(self) -> str:
        """The kind of standard errors: with clusters or sampling weights only robust ones are right."""
        robust = "cluster" if self.cluster else "HC1" if self.weight else "nonrobust"
        return self.covariance or robust


def check_settings(settings: Settings, target: str) -> None:
    """ArgumentError unless every number is in its range, and what is asked for goes together."""
    if settings.C is not None and not settings.C > 0:
        raise ArgumentError(f"C={settings.C:g} must be above 0; inf is no penalty.")
    check_cv(settings)
    check_inference(settings)
    check_beside(settings, target)
    if not 0 <= settings.l1_ratio <= 1:
        raise ArgumentError(
            f"l1_ratio={settings.l1_ratio:g} must lie between 0 and 1: it is the share of the L1 penalty."
        )
    if settings.l1_ratio and not settings.inference and not has_penalty(settings):
        raise ArgumentError(
            f"l1_ratio={settings.l1_ratio:g} is a share of the penalty, and there is none: give a finite C, or leave "
            "it out."
        )
    if not 0 <= settings.test_size < 1:
        raise ArgumentError(
            f"test_size={settings.test_size:g} must be at least 0, and below 1: it is the share of rows held out."
        )
    check_whole("seed", settings.seed, at_least=0)
    if not settings.tol > 0:
        raise ArgumentError(f"tol={settings.tol:g} must be above 0.")
    check_whole("max_iter", settings.max_iter, at_least=1)
    if settings.regression:
        refuse_iterations(settings, "classes, and a regression is solved without", ("solver", "tol", "max_iter"))


def has_penalty(settings: Settings) -> bool:
    """Whether the fit has one, by the C that is given or the default."""
    return bool(np.isfinite(settings.C)) if settings.C is not None else not settings.regression


def check_cv(settings: Settings) -> None:
    """ArgumentError unless cross-validation, if there is any, is to choose something and has folds."""
    if settings.cv is None:
        return
    if settings.cv != "loo" and (settings.cv < 2 or settings.cv != int(settings.cv)):
        raise ArgumentError(f"cv={settings.cv} must be a whole number of at least 2 folds, or loo.")
    if settings.C is not None:
        raise ArgumentError(f"C={settings.C:g} is given, and cv={settings.cv} is to choose it: leave out one of them.")
    if settings.regression:
        raise ArgumentError(f"cv={settings.cv} chooses C for classes. For a regression give C.")


def check_inference(settings: Settings) -> None:
    """ArgumentError where inference is asked for with what would make it untrue, or standard errors without it."""
    if not settings.inference:
        for name in ("covariance", "cluster"):
            if value := getattr(settings, name):
                raise ArgumentError(f"{name}={value} is for standard errors: ask for them with --inference.")
        return
    if settings.cv is not None or (settings.C is not None and np.isfinite(settings.C)):
        given = f"C={settings.C:g}" if settings.cv is None else f"cv={settings.cv}"
        raise ArgumentError(
            f"{given} asks for a penalty, which pulls coefficients towards zero, so that standard errors and p-values "
            "would claim more than is known: leave it out, or leave out --inference."
        )
    given = ("solver", "tol", "max_iter", "l1_ratio")
    refuse_iterations(settings, "fits with a penalty, and --inference makes none", given)
    check_covariance(settings)


def refuse_iterations(settings: Settings, why: str, names: Sequence[str]) -> None:
    """ArgumentError where one of these is not its default."""
    default = Settings()
    for name in names:
        if (value := getattr(settings, name)) != getattr(default, name):
            raise ArgumentError(f"{name}={value} is for {why}: leave it out.")


def check_covariance(settings: Settings) -> None:
    """ArgumentError unless the standard errors suit the weights and clusters."""
    if settings.errors not in COVARIANCES:
        raise ArgumentError(f"covariance={settings.errors} must be one of {listing(COVARIANCES)}.")
    if settings.errors == "cluster" and settings.cluster is None:
        raise ArgumentError("covariance=cluster needs the cluster of each row: name its column with --cluster.")
    if settings.errors != "cluster" and settings.cluster is not None:
        raise ArgumentError(f"cluster={settings.cluster} is not for covariance={settings.errors}: leave one out.")
    if settings.weight and settings.errors == "nonrobust":
        raise ArgumentError(
            f"covariance=nonrobust would take weight={settings.weight} for numbers of observations: if that is what "
            "they are, name the column with --frequency, else leave --covariance out."
        )


def check_beside(settings: Settings, target: str) -> None:
    """ArgumentError where what a row counts is said twice, a column has two roles, or one is told what to be that is no
    feature."""
    if settings.weight and settings.frequency:
        raise ArgumentError(
            f"weight={settings.weight} and frequency={settings.frequency} both say what a row counts: leave one out."
        )
    roles = [target, *settings.beside]
    for name in roles:
        if roles.count(name) > 1:
            raise ArgumentError(f"{name!r} has two roles: target, offset, weight and cluster are different columns.")
    if target in settings.drop:
        raise ArgumentError(f"column {target!r} cannot be both target and drop; name it once.")
    for how in ("categorical", "numeric", "text"):
        for name in roles:
            if name in getattr(settings, how):
                role = "the target" if name == target else "no feature"
                raise ArgumentError(f"column {name!r} is {role}, and {how} is for features; name it once.")
