"""A fingerprint of a column's cells in their order: columns of equal digests are copies of each other.

The digest of n cells is  sum_i hash(cell_i) P^i  mod 2^64, a polynomial at a fixed odd P (Karp and Rabin, 1987). So of
two parts in a row it is  d(a b) = d(a) + P^rows(a) d(b), and no part needs to know where it stands.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from separatrix.arrays import FloatArray

Hashes = NDArray[np.uint64]

P = 0x9E3779B97F4A7C15  # odd, and 5 mod 8: its powers repeat only after 2^62
CHUNK = 2**15  # cells whose hashes and powers stay in cache
_FOLD = np.uint64(32)


@dataclass(frozen=True)
class Digest:
    """Of so many rows. Adding puts the rows of the second behind those of the first."""

    rows: int = 0
    value: int = 0

    def __add__(self, other: "Digest") -> "Digest":
        shifted = pow(P, self.rows, 2**64) * other.value
        return Digest(self.rows + other.rows, (self.value + shifted) % 2**64)


def digest(hashes: Hashes) -> Digest:
    """Of one hash for each cell, (rows,).

    >>> digest(hash_numbers(np.array([1.0, 2.0]))) + digest(hash_numbers(np.array([3.0]))) == digest(
    ...     hash_numbers(np.array([1.0, 2.0, 3.0])))
    True
    """
    whole = Digest()
    for first in range(0, len(hashes), CHUNK):
        part = hashes[first : first + CHUNK]
        whole += Digest(len(part), int(np.dot(part, _powers()[: len(part)])))
    return whole


def hash_numbers(numbers: FloatArray) -> Hashes:
    """Of each number, (rows,); 0 of NaN."""
    hashes = hash_bits(numbers.view(np.uint64))
    missing = np.isnan(numbers)
    if missing.any():
        hashes[missing] = 0
    return hashes


def hash_bits(bits: Hashes) -> Hashes:
    """Of each 64 bits, (rows,), folded: those of small whole numbers end in fifty zeros as doubles."""
    hashes = bits >> _FOLD
    hashes ^= bits
    return hashes


def hash_texts(texts: Any) -> Hashes:
    """Of each text of an Arrow array of large_string without nulls, (texts,): a polynomial of its bytes."""
    if not len(texts):
        return np.zeros(0, np.uint64)
    offsets = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset : texts.offset + len(texts) + 1]
    start, lengths = offsets[:-1] - offsets[0], np.diff(offsets)
    octets = np.frombuffer(texts.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    place = np.arange(len(octets)) - np.repeat(start, lengths)
    terms = (octets + np.uint64(1)) * _powers(int(lengths.max()) + 1)[place]
    hashes = np.zeros(len(texts), np.uint64)
    if (filled := lengths > 0).any():
        hashes[filled] = np.add.reduceat(terms, start[filled])
    return (hashes ^ hashes >> _FOLD) * np.uint64(P)


def _powers(many: int = CHUNK) -> Hashes:
    """1, P, P^2, ... mod 2^64, (many,)."""
    return _powers_in_cache()[:many] if many <= CHUNK else _made(many)


def _made(many: int) -> Hashes:
    return np.cumprod(np.append(np.uint64(1), np.full(many - 1, P, np.uint64)), dtype=np.uint64)


@cache
def _powers_in_cache() -> Hashes:
    return _made(CHUNK)
