"""Sub-kernels that are compiled and ready to be launched, kept for another measurement of the same ones."""

from __future__ import annotations

import functools
import json
import os
import shutil
import tempfile
from collections import OrderedDict
from typing import Any, Callable, Protocol, Sequence

from . import loading, tuning

_KEPT = 8

Tell = Callable[..., None]


class Target(Protocol):
    """The device that kernels are compiled for and launched on."""

    def adopt(self, kernel: Any) -> str: ...

    def stream(self) -> int: ...

    def is_broken(self) -> bool: ...


class SubKernel:
    """One sub-kernel. ``problem`` says why it cannot run; else ``launchers`` holds one of each configuration.

    ``launcher`` is the one that it runs with, None until its configurations have been raced.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.kernel: Any = None
        self.launchers: list[Any] = []
        self.launcher: Any = None
        self.note = ""
        self.problem = ""

    def choose(self, launcher: Any) -> None:
        """Torch's own ``run`` uses it too from now on."""
        self.launcher = launcher
        self.kernel.launchers = [launcher]

    def launch(self, target: Target, arguments: Sequence[Any], launcher: Any = None) -> Callable[[], object]:
        """One launch on the current stream, with arguments that stay the same."""
        chosen = launcher or self.launcher
        return lambda: chosen(*arguments, stream=target.stream())


class Shelf:
    """The multi-kernels that were measured last, by all that loading them depends on."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, list[SubKernel]] = OrderedDict()

    def get(self, sub_kernels: Sequence[dict[str, Any]], target: Target, tell: Tell) -> list[SubKernel]:
        """Loads and compiles what is not kept; raises what breaks the device."""
        parts = [[each.get(part) for part in ("name", "text", "best_configs", "configuration")] for each in sub_kernels]
        key = json.dumps(parts, sort_keys=True)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        found = []
        for index, sub_kernel in enumerate(sub_kernels):
            tell("loading", index, index, len(sub_kernels))
            found.append(_loaded(sub_kernel, target))
        if any(each.problem for each in found):
            return found  # perhaps it works the next time
        self._kept[key] = found
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return found


def _loaded(request: dict[str, Any], target: Target) -> SubKernel:
    sub_kernel = SubKernel(request["name"])
    folder = tempfile.mkdtemp()
    modules: list[Any] = []
    best_configs = request.get("best_configs") or {}
    try:
        for name, text in best_configs.items():
            with open(os.path.join(folder, os.path.basename(name)), "w", encoding="utf-8") as file:
                file.write(text)
        modules.append(loading.load(folder, request["key"], request["text"]))
        sub_kernel.kernel = loading.kernel_of(modules[0], request["name"])
        sub_kernel.note = target.adopt(sub_kernel.kernel)
        compiled = tuning.compile_kernel(sub_kernel.kernel, list(best_configs.values()), request.get("configuration"))
        sub_kernel.launchers = compiled.launchers
        if compiled.is_settled:
            sub_kernel.choose(compiled.launchers[0])
    except (Exception, SystemExit) as error:
        if target.is_broken():
            raise
        sub_kernel.problem = in_one_line(error)
    finally:
        # What is compiled needs its file no more.
        loading.forget(modules)
        shutil.rmtree(folder, ignore_errors=True)
    return sub_kernel


def in_one_line(error: BaseException) -> str:
    """An error's first line, which is all that CUDA's have to say."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}"[:300] if lines else type(error).__name__


@functools.lru_cache(maxsize=None)
def shelf() -> Shelf:
    """One for the life of the process."""
    return Shelf()
