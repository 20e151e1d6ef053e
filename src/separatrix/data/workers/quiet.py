"""What libraries print beside our one line about what is wrong, and which nobody needs twice."""

import logging
import os


def hush() -> None:
    """On a worker: its log is without the tracebacks of tasks that failed, as the client tells their errors; and Arrow
    moves buffers that came over the wire to where it wants them, and does not complain."""
    logging.getLogger("distributed.worker").addFilter(is_told_here)
    os.environ.setdefault("ACERO_ALIGNMENT_HANDLING", "reallocate")


def is_told_here(record: logging.LogRecord) -> bool:
    """Whether a line of a worker's log is not about a task that failed.

    >>> said = "Compute Failed\\nKey: read_lot-1\\nException: \\"FileError('a.csv is gone')\\""
    >>> is_told_here(logging.makeLogRecord({"msg": said})), is_told_here(logging.makeLogRecord({"msg": "Started"}))
    (False, True)
    """
    return not record.getMessage().startswith("Compute Failed")
