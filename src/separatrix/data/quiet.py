"""What libraries print beside our one line about what is wrong, and which nobody needs twice."""

import logging
import os
import re

from separatrix.errors import SeparatrixError


def hush() -> None:
    """On a worker: its log is without the traceback of an error that is ours, which the client tells; and Arrow moves
    buffers that came over the wire to where it wants them, and does not complain."""
    logging.getLogger("distributed.worker").addFilter(is_not_ours)
    os.environ.setdefault("ACERO_ALIGNMENT_HANDLING", "reallocate")


def is_not_ours(record: logging.LogRecord) -> bool:
    """Whether a line of the log is not about a task that failed by an error of ours.

    >>> said = "Compute Failed\\nKey: read_lot-1\\nException: \\"FileError('a.csv is gone')\\""
    >>> is_not_ours(logging.makeLogRecord({"msg": said})), is_not_ours(logging.makeLogRecord({"msg": "Started"}))
    (False, True)
    """
    said = record.getMessage()
    failed = re.search(r'^Exception: ["\'](\w+)\(', said, re.M) if said.startswith("Compute Failed") else None
    return failed is None or failed[1] not in _ours(SeparatrixError)


def _ours(error: type[Exception]) -> set[str]:
    return {error.__name__}.union(*map(_ours, error.__subclasses__()))
