"""Sub-kernels with a configuration of their own: the one that was asked for, or that is known to have won."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any, NamedTuple

from . import loading
from .pick_parts import _AutotuneNames

_OPTIONS = ("num_warps", "num_stages")


class Configured(NamedTuple):
    """``kernel`` is torch's ``CachingAutotuner``; ``configuration`` has block sizes, warps and stages by name."""

    module: ModuleType
    kernel: Any
    configuration: dict[str, int]

    @property
    def blocks(self) -> dict[str, int]:
        return {name: value for name, value in self.configuration.items() if name not in _OPTIONS}

    @property
    def options(self) -> dict[str, int]:
        return {name: self.configuration[name] for name in _OPTIONS}


def told(error: BaseException) -> str:
    """An error in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]


def load(folder: str, sub_kernel: dict[str, Any], modules: list[ModuleType]) -> Configured:
    """Executes the kernel's file in ``folder``; its module is added to ``modules``, which are to be forgotten."""
    with _AutotuneNames() as names:
        module = loading.load(folder, sub_kernel["key"], sub_kernel["text"])
    modules.append(module)
    kernel = loading.kernel_of(module, sub_kernel["name"])
    # Up to torch 2.5 the winner's file was called as the kernel's.
    best_config = names.found or f"{sub_kernel['key']}.best_config"
    return Configured(module, kernel, _configuration(kernel, sub_kernel, best_config))


def _configuration(kernel: Any, sub_kernel: dict[str, Any], best_config: str) -> dict[str, int]:
    """The recorded winner, else the first that Inductor would try; what a record leaves out is as in the latter."""
    first = kernel.configs[0]
    own = {**first.kwargs, **{name: getattr(first, name) for name in _OPTIONS}}
    text = sub_kernel["best_configs"].get(best_config)
    recorded = json.loads(text) if text else sub_kernel["configuration"] or {}
    return {name: recorded.get(name, value) for name, value in own.items()}
