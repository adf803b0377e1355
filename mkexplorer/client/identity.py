"""Who an interpreter is, as its worker tells when it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PROTOCOL = 2
"""The version of the worker's protocol that this client speaks; ``mkexplorer/worker/__init__.py`` has the text."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What an interpreter holds; ``torch`` and ``triton`` are None where it lacks them, ``missing`` says why.

    ``files`` are (path, size, mtime in ns): as long as they stay as they are, so does the rest.
    """

    python: str
    executable: str
    torch: str | None
    triton: str | None
    missing: str
    torch_key: str | None
    gpus: tuple[str, ...]
    driver: str | None
    files: tuple[tuple[str, int | None, int | None], ...]


def read_identity(answer: Mapping[str, Any]) -> Identity:
    """From the worker's answer to ``hello``."""
    errors = {"torch": answer["torch_error"], "triton": answer["triton_error"]}
    # Without torch there is no point in saying that triton is missing too.
    missing = next((f"{answer['executable']} has no {name}: {why}" for name, why in errors.items() if why), "")
    return Identity(
        python=answer["python"],
        executable=answer["executable"],
        torch=answer["torch"],
        triton=answer["triton"],
        missing=missing,
        torch_key=answer["torch_key"],
        gpus=tuple(answer["gpus"]),
        driver=answer["driver"],
        files=tuple((path, size, mtime_ns) for path, size, mtime_ns in answer["files"]),
    )
