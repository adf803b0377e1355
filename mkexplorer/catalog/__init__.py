"""What one place holds: multi-kernels, their sub-kernels, calls, and compiled artifacts. Parses text, never runs it.

``from mkexplorer.catalog import open_catalog`` is the way in; the names are looked up on first use, so that a
face which only needs `mkexplorer.catalog.model` does not load the parser.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .catalog import Catalog, open_catalog

__all__ = ["Catalog", "open_catalog"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import catalog

    return getattr(catalog, name)
