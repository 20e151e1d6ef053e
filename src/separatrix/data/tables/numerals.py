"""Numbers as people write them in text: 1234.5, $1,234.50, 12%, 1.234,50 EUR-style; how a column writes them."""

from collections.abc import Set
from typing import Any, Literal, get_args

import pyarrow as pa
import pyarrow.compute

from separatrix.arrays import BoolArray, FloatArray

pc: Any = pyarrow.compute  # makes its functions when imported, so type checkers cannot see them

Written = Literal["plain", "point", "comma"]
"""How a column writes its numbers: as programs do (-1.5e3); or with a decimal point, or a decimal comma, and then with
thousands parted (by the other of the two, a blank or an apostrophe), a currency's sign or a percent sign; negative ones
also in parentheses."""

WAYS: tuple[Written, ...] = get_args(Written)

PLAIN = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
CODE = r"^\s*[+-]?0\d"
"""007 is a code, not the number 7."""

_SIGN, _GAP = "[$€£¥]", "[ \u00a0\u202f'’]"  # noqa: RUF001 - Swiss thousands
_BEFORE, _AFTER = rf"^\s*(?:[+-]?\s*{_SIGN}?|{_SIGN}\s*[+-])\s*", rf"[\s\x{{a0}}\x{{202f}}]*(?:%|{_SIGN})?\s*$"
_OWED = r"^\s*\(([^()+-]*)\)\s*$"
"""(50.3), as accountants write -50.3."""
_WHOLE = rf"(?:[1-9]\d{{{{0,2}}}}(?:{{part}}\d{{{{3}}}})+|[1-9]\d{{{{0,2}}}}(?:{_GAP}\d{{{{3}}}})+|\d+)"
"""What parts thousands follows no 0: 0,671 is a decimal comma."""
_SHAPE = {
    way: rf"{_BEFORE}(?:{_WHOLE.format(part=part)}(?:{mark}\d*)?|{mark}\d+){_AFTER}"
    for way, mark, part in (("point", r"\.", ","), ("comma", ",", r"\."))
}
_ORNAMENT = {way: rf"[\s\x{{a0}}\x{{202f}}'’$€£¥%{part}]" for way, part in (("point", ","), ("comma", "."))}  # noqa: RUF001


def read_numbers(texts: Any, written: Written = "plain") -> FloatArray:
    """Arrow text as numbers, (texts,), NaN where it is none that is written so. "12%" is 12, "$3" is 3.

    >>> read_numbers(pa.array(["1,234.50", "$3", "-12 %", "1e3", "old"]), "point")
    array([1234.5,    3. ,  -12. , 1000. ,    nan])
    >>> read_numbers(pa.array(["1.234,50", "3 €", "1,5"]), "comma")
    array([1234.5,    3. ,    1.5])
    """
    plain = pc.utf8_trim_whitespace(_where(texts, PLAIN))
    if written != "plain":
        signed = pc.replace_substring_regex(texts, pattern=_OWED, replacement=r"-\1")
        bare = pc.replace_substring_regex(_where(signed, _SHAPE[written]), pattern=_ORNAMENT[written], replacement="")
        # With a decimal comma the point parts thousands, so 1.234 is read that way first.
        order = [plain, bare] if written == "point" else [pc.replace_substring(bare, pattern=",", replacement=".")]
        plain = pc.coalesce(*order)
    return pc.cast(plain, pa.float64()).to_numpy(zero_copy_only=False)


def units_of(texts: Any) -> frozenset[str]:
    """The currencies' and percent signs that texts hold, "" for those without.

    >>> sorted(units_of(pa.array(["$3", "$-1,000", "12"])))
    ['', '$']
    """
    return frozenset(pc.unique(_signs(texts)).to_pylist())


def of_other_units(texts: Any, units: Set[str]) -> BoolArray:
    """Which texts have a sign, or none, that does not go with those of their column, (texts,).

    >>> of_other_units(pa.array(["$3", "€3", "12"]), {"$"}), of_other_units(pa.array(["3%", "0.03"]), {"%"})
    (array([False,  True, False]), array([False,  True]))
    """
    signs = _signs(texts)
    other = [sign for sign in pc.unique(signs).to_pylist() if not one_unit({sign, *units})]
    return pc.is_in(signs, value_set=pa.array(other, signs.type)).to_numpy(zero_copy_only=False)


def one_unit(units: Set[str]) -> bool:
    """Can these be units of one column? Dollars and euros cannot, nor 12% beside 0.12."""
    return len(units - {""}) <= 1 and not {"%", ""} <= units


def are_codes(texts: Any) -> BoolArray:
    """Which texts begin with a zero too many to be a number, (texts,)."""
    return pc.match_substring_regex(texts, CODE).to_numpy(zero_copy_only=False)


def _signs(texts: Any) -> Any:
    """The currencies' and percent signs of each text."""
    return pc.replace_substring_regex(texts, pattern="[^$€£¥%]", replacement="")


def _where(texts: Any, pattern: str) -> Any:
    """The texts of this shape, null for the others."""
    return pc.if_else(pc.match_substring_regex(texts, pattern), texts, pa.scalar(None, texts.type))
