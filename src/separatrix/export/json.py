"""The model file: one JSON object, versioned, with exact floats; read strictly, never executed."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from separatrix.data.tables.calendar import is_day, is_zone
from separatrix.data.tables.columns import Category, Date
from separatrix.errors import ModelError, counted, listing
from separatrix.model import Model

FORMAT = "separatrix model"
VERSION = 1


class ModelFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The model in its envelope, which says what the file is."""

    format: str
    version: int
    model: Model


class Envelope(msgspec.Struct, frozen=True):
    """The part of any file that tells whether the rest can be read."""

    format: str = ""
    version: int = 0


def encoded(model: Model) -> bytes:
    """The content of a model file."""
    return msgspec.json.format(msgspec.json.encode(ModelFile(FORMAT, VERSION, model)), indent=1)


def read_model(path: str | Path) -> Model:
    """The model in a file; raises ModelError when it is missing, damaged, foreign, or of another version."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}. Name a model.json written by fit.") from None
    try:
        envelope = msgspec.json.decode(content, type=Envelope)
    except msgspec.ValidationError:
        envelope = Envelope()
    except msgspec.DecodeError as error:
        raise ModelError(f"{path} is damaged: {error}. Fit the model again.") from None
    if envelope.format != FORMAT:
        raise ModelError(f"{path} is JSON, but not a model of separatrix. Name a model.json written by fit.")
    if envelope.version != VERSION:
        raise ModelError(
            f"{path} has version {envelope.version} of the model file, and this program reads version {VERSION}. "
            "Fit the model again, or use the program that wrote it."
        )
    try:
        model = msgspec.json.decode(content, type=ModelFile).model
    except msgspec.ValidationError as error:
        raise ModelError(f"{path} is damaged: {error}. Fit the model again.") from None
    for fault in faults(model):
        raise ModelError(f"{path} is damaged: {fault}. Fit the model again.")
    return model


def faults(model: Model) -> Iterator[str]:
    """What of a model does not go together: classes, levels, and the numbers of each feature and class."""
    K, p = len(model.target.classes), len(model.columns.feature_names)
    if not {"linear": K == 0, "binary": K == 2, "multinomial": K > 2}[model.task] or (model.target.others and K != 2):
        yield f"task={model.task!r} does not go with {counted(K, 'label')} in target.classes"
    if len({float if type(label) is int else type(label) for label in model.target.labels}) > 1:
        yield f"target has labels of several kinds, {listing(map(repr, model.target.labels))}"
    for column in model.columns.columns:
        for part in [column, *(column.parts.values() if isinstance(column, Date) else [])]:
            if isinstance(part, Category) and part.reference not in part.levels:
                yield f"the reference of {part.name!r}, {part.reference!r}, is none of its levels"
        if isinstance(column, Date):
            if not is_day(column.first) and ("day" in column.parts or column.first):
                yield f"the first day of {column.name!r}, {column.first!r}, is no date such as '2024-01-31'"
            if not is_zone(column.zone):
                yield f"the time zone of {column.name!r}, {column.zone!r}, is not known here"
    rows = K if model.task == "multinomial" else 1
    sizes = {
        "intercepts": (model.intercepts, rows),
        "coefficients": (model.coefficients, rows),
        "scales": (model.scales, p),
        "rates": (model.rates, max(K, 1)),
        **{f"coefficients[{k}]": (row, p) for k, row in enumerate(model.coefficients)},
    }
    if model.errors is not None:
        many = (p + 1) * max(rows - 1, 1)
        sizes |= {"centre": (model.errors.centre, p), "covariance": (model.errors.covariance, many)}
        sizes |= {f"covariance[{k}]": (row, many) for k, row in enumerate(model.errors.covariance)}
        if model.errors.turn:
            sizes |= {"turn": (model.errors.turn, many)}
            sizes |= {f"turn[{k}]": (row, many) for k, row in enumerate(model.errors.turn)}
        for name in model.errors.infinite:
            if name not in model.columns.feature_names:
                yield f"infinite={name!r} is no feature"
    for name, (entries, due) in sizes.items():
        if len(entries) != due:
            yield f"{name} has {len(entries)} entries where {due} are due"
