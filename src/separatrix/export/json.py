"""The model file: one JSON object, versioned, with exact floats; read strictly, never executed."""

from pathlib import Path

import msgspec

from separatrix.data.files import replacing
from separatrix.errors import ModelError
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


def write_model(model: Model, path: str | Path) -> None:
    """Writes the model, or nothing at all; raises FileError when it cannot."""
    with replacing(path) as partial:
        partial.write_bytes(encoded(model))


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
    check_shapes(model, path)
    return model


def check_shapes(model: Model, path: str | Path) -> None:
    """ModelError unless there is one coefficient for each feature and class, and a covariance of just these."""
    K = len(model.target.classes) if model.task == "multinomial" else 1
    p = len(model.columns.feature_names)
    shapes = {
        "intercepts": (len(model.intercepts), K),
        "coefficients": (len(model.coefficients), K),
        "scales": (len(model.scales), p),
        **{f"coefficients[{k}]": (len(row), p) for k, row in enumerate(model.coefficients)},
    }
    if model.errors is not None:
        many = (p + 1) * max(K - 1, 1)
        shapes |= {"centre": (len(model.errors.centre), p), "covariance": (len(model.errors.covariance), many)}
        for name in model.errors.infinite:
            if name not in model.columns.feature_names:
                raise ModelError(f"{path} is damaged: infinite={name!r} is no feature. Fit the model again.")
        shapes |= {f"covariance[{k}]": (len(row), many) for k, row in enumerate(model.errors.covariance)}
    for name, (found, due) in shapes.items():
        if found != due:
            raise ModelError(f"{path} is damaged: {name} has {found} entries where {due} are due. Fit the model again.")
