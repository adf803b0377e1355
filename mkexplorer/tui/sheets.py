"""What the screen says where there is no list to show: nothing found, or the place cannot be opened."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.model import Diagnostic, Place
from mkexplorer_widgets.plain_text import visible

HOW_TO_MAKE_SOME = """\
torch.compile makes multi-kernels when it is told to, on a GPU:

    TORCHINDUCTOR_MULTI_KERNEL=1 python your_program.py

Each reduction (softmax, layer_norm, sum, …) then becomes a multi-kernel of several sub-kernels."""

ELSEWHERE = """\
Another place:  mkexplorer PATH   (cache directory, wrapper, log, bundle)
A recorded one: mkexplorer --sample"""


def empty_sheet(place: Place, wrappers: int, following: bool) -> Content:
    """Return what to say of a place without multi-kernels."""
    graphs = "no graphs" if not wrappers else f"{wrappers} graph{'s' * (wrappers != 1)}, none with a multi-kernel"
    waiting = "mkexplorer watches this place: they appear here while your program compiles.\n\n" if following else ""
    return _sheet(
        "No multi-kernels here",
        f"{place.path} ({place.kind.value}) holds {graphs}.",
        f"{HOW_TO_MAKE_SOME}\n\n{waiting}{ELSEWHERE}",
    )


def error_sheet(place: str, error: MkexplorerError | OSError) -> Content:
    """Return what to say when the place cannot be opened."""
    message, advice = error_texts(error)
    return _sheet(f"Cannot open {place}", message, f"{advice}\n\n{ELSEWHERE}\n\nr  try again     q  quit")


def error_texts(error: MkexplorerError | OSError) -> tuple[str, str]:
    """Return what happened and what to do about it."""
    if isinstance(error, MkexplorerError):
        return error.message, error.advice
    return str(error), ""


def diagnostics_content(diagnostics: Sequence[Diagnostic]) -> Content:
    """Return all that could not be used, with file, line and advice."""
    parts: list[Content] = []
    for found in diagnostics:
        where = found.path if found.line is None else f"{found.path}:{found.line}"
        tone = "$text-error" if found.severity.value == "error" else "$text-warning"
        parts.append(Content.styled(f"{found.severity.value}  ", tone) + Content.styled(visible(where), "bold"))
        parts.append(Content(f"  {visible(found.message)}"))
        if found.advice:
            parts.append(Content.styled(f"  {visible(found.advice)}", "$foreground 60%"))
        parts.append(Content(""))
    return Content("\n").join(parts)


def _sheet(title: str, message: str, advice: str) -> Content:
    return Content("\n\n").join(
        [Content.styled(visible(title), "bold"), Content(visible(message)), Content(visible(advice.strip()))]
    )
