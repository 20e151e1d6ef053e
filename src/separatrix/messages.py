"""What the command says beside its results, on standard error: how far it is, what to know, what went wrong."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from separatrix.errors import in_flags

if TYPE_CHECKING:
    from separatrix.data.tables.encoders import Note
    from separatrix.engine.iterate import Step


def show_notes(notes: "list[Note]") -> None:
    """What the model had to make something of, one line each."""
    from separatrix.data.tables.encoders import merged

    for note in merged(notes):
        tell(f"note: {note}", style="yellow")


def tell(line: str, style: str = "") -> None:
    """One line to standard error, which keeps standard output for results."""
    errors().print(Text(line), style=style, soft_wrap=True)  # as it is: brackets and colons are no markup


def complain(message: str, code: int) -> int:
    """One line to standard error; the exit code back."""
    tell(f"separatrix: {' '.join(in_flags(message).split())}", style="red")
    return code


def errors() -> Console:
    """The console of standard error."""
    return Console(stderr=True)


@contextmanager
def progress(first: str) -> Iterator[Callable[[str], Any]]:
    """A line on the terminal that says what is going on, and nothing where there is no terminal."""
    console = errors()
    with console.status(Text(first)) as status:
        yield lambda words: status.update(Text(words))


def in_words(step: "Step") -> str:
    """An iteration, for the progress line."""
    return f"fitting: pass {step.passes}, loss {step.loss:.6f}, gap {step.gap:.1e}"
