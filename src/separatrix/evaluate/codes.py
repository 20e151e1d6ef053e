"""The table of coded findings: a title for each, which is shown, and a paragraph for who asks what it means."""

from dataclasses import dataclass
from typing import Literal, NamedTuple


class Code(NamedTuple):
    """What a finding is called, and what it means."""

    title: str
    explanation: str


CODES = {
    "SX101": Code(
        "a class is rare",
        "The rarest class has fewer than a tenth of the training rows that it would have if all had the same "
        "number: of two classes, fewer than 5 %. Accuracy then says little: always answering with the common "
        "class is right almost every time. Read recall, precision and average precision, and choose the "
        "probability threshold by what a miss and a false alarm cost. The probabilities themselves stay "
        "calibrated; resampling or reweighting the rows would spoil that.",
    ),
    "SX102": Code(
        "few rows for each coefficient",
        "A rule of thumb asks for at least 10 rows of the rarest class (for a linear model: rows) for "
        "each coefficient. With fewer, coefficients are noisy and biased away from zero, and the training "
        "rows look better predicted than new ones will be. Drop columns, merge rare levels, collect rows, "
        "or penalise more (a smaller C).",
    ),
    "SX103": Code(
        "columns were left out",
        "A constant column, a duplicate of another, an identifier, a date or free text carries nothing "
        "that a coefficient could learn from, or only what would not hold for new rows. Such columns are "
        "left out of the model and each is named with its reason. A date becomes useful as numbers: an "
        "age, a weekday, a month.",
    ),
    "SX104": Code(
        "one column gives the answer away",
        "A single column ranks the rows by class almost without fault (area under its own ROC curve at "
        "least 0.99). Such a column is often the answer under another name, or something recorded after "
        "the outcome, and the model will fail where it matters. If its value is known before the outcome, "
        "all is well; otherwise drop it.",
    ),
    "SX105": Code(
        "a level holds one class only",
        "All training rows with this level, or with this cell missing or not missing, are of one class, too many for "
        "chance. It may be the answer in disguise; and without a penalty its coefficient has no finite "
        "value. Keep a finite C, merge the level with a neighbour, or drop the column if it is not known "
        "before the outcome.",
    ),
    "SX106": Code(
        "columns move together",
        "Two encoded columns are correlated beyond 0.999: they say the same thing. Predictions are not "
        "harmed, but the effect is shared between the two coefficients arbitrarily, so neither can be "
        "read alone. Drop one of them.",
    ),
    "SX107": Code(
        "the classes look separable",
        "The fitted model puts every training row on its right side, or is certain of some rows to 1e-8. "
        "When a line separates the classes, the likelihood rises for ever as coefficients grow: there is "
        "no best fit without a penalty, and with one the size of the coefficients is the penalty's doing. "
        "Predicted labels are sound; probabilities near 0 and 1 and odds ratios are not to be taken at "
        "their word.",
    ),
    "SX108": Code(
        "the fit stopped early",
        "The certificate bounds how far the mean loss is from its optimum, and that bound is above the "
        "tolerance asked for. The coefficients may still move. Raise the number of iterations; columns "
        "with extreme outliers slow a fit, and a logarithm of them often helps.",
    ),
    "SX109": Code(
        "values unseen at fit",
        "Rows to be predicted hold levels that no training row had, or missing cells in columns that had "
        "none. An unseen level counts as the reference level, a missing number as the mean. With many "
        "such rows, the new data are not like the training data: fit again with them.",
    ),
    "SX110": Code(
        "rows without a target",
        "A row whose target is missing can be predicted but not learned from, so such rows were left out. "
        "If targets are missing for a reason that has to do with their value, the fit is biased.",
    ),
    "SX111": Code(
        "no better than the baseline",
        "On held-out rows the model is no better than predicting the training rates (or the training "
        "mean) for every row. Either the columns do not tell about the target, or there are too few rows "
        "to learn it from, or the penalty is too weak for so many columns.",
    ),
    "SX112": Code(
        "a metric is undefined",
        "Some metrics need rows of every class, or predictions of every class; where the held-out rows do "
        "not have them the metric is left out rather than made up. A larger held-out share usually cures "
        "it.",
    ),
    "SX113": Code(
        "curves of binned scores",
        "Of more than a million rows the scores are not kept one by one: they are sorted into bins that follow the "
        "first million of them, of which ROC curve, average precision and calibration are made. Two rows in one bin "
        "count as a tie, so the area under the ROC curve is off by at most half the share of such pairs, which is "
        "what is quoted. Accuracy, log loss, Brier score and the confusion matrix are sums over all rows, and "
        "exact.",
    ),
    "SX114": Code(
        "a column turns from one kind of cells to another",
        "Up to some row the cells of a column are all numbers, or all dates, and from there on others come, far "
        "later than they would by chance. Two files that were written in different ways look so, and the column "
        "as a whole is then a category, or left out. Write all rows in one way; or say what the column is.",
    ),
    "SX115": Code(
        "leave-one-out is far off",
        "Leaving out each row in turn takes one fit and a step of Newton's method for each row, and a fit of its own "
        "for a row that pulls its own prediction hard. With about as many coefficients as rows nearly all do, and "
        "after the hardest the rest are left as they are, though their steps are known to be wrong. The C chosen may "
        "then be too large. Folds have no such limit.",
    ),
    "SX116": Code(
        "a number far from all others",
        "The least or the largest number of a column is further from all others than those are from each other, "
        "if it is written in nines alone, or else a hundred times as far. Many files have such a number for what "
        "is missing, as -9999, or where a point was lost. A model is a sum of the numbers it is given, so a few such "
        "cells decide the coefficient of the column, and all that its other numbers tell is lost.",
    ),
}


@dataclass(frozen=True)
class Finding:
    """One thing worth knowing: what was found, where, and what to do about it."""

    code: str
    level: Literal["note", "warning"]
    text: str
    remedy: str

    @property
    def title(self) -> str:
        return CODES[self.code].title

    @property
    def explanation(self) -> str:
        return CODES[self.code].explanation
