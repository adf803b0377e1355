"""mkexplorer: see what ``torch.compile`` generated and which sub-kernel of each multi-kernel it picked.

``install()`` at the top of a program has ``torch.compile`` choose by mkexplorer's measurements; see
`mkexplorer.inductor`. Importing this imports nothing but the version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .inductor.install import install, installed, uninstall
    from .inductor.verification import verify

__all__ = ["__version__", "install", "installed", "uninstall", "verify"]

_MODULES = {"install": "install", "installed": "install", "uninstall": "install", "verify": "verification"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.inductor.{_MODULES[name]}"), name)
