"""Text as hashed counts of its words: no vocabulary to learn, so one row at a time will do."""

from typing import Any

import numpy as np
from scipy import sparse


def hashed_words(texts: list[str], width: int) -> Any:
    """Words and pairs of neighbours, in lower case, by the features they hash to, CSR (texts, width).

    A value is 1 + log of a count, and each row is scaled to length 1. Different words may share a feature.

    >>> hashed_words(["so good", ""], 64).toarray().max(axis=1).round(3)
    array([0.577, 0.   ])
    """
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.preprocessing import normalize

    if not texts:
        return sparse.csr_array((0, width))
    options: dict[str, Any] = {"ngram_range": (1, 2), "alternate_sign": False, "norm": None}
    counts: Any = HashingVectorizer(n_features=width, **options).transform(texts)
    counts.data = 1.0 + np.log(counts.data)
    return sparse.csr_array(normalize(counts, copy=False))
