"""Acts on modules as soon as they are imported, at once for those that are."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

Action = Callable[[Any], object]


class LateImports(MetaPathFinder):
    """``actions`` go by the full names of modules; each is called with its module, once for each `watch`."""

    def __init__(self, actions: Mapping[str, Action]) -> None:
        self._actions = actions
        self._waiting: dict[str, Action] = {}

    def watch(self) -> None:
        self._waiting = dict(self._actions)
        sys.meta_path.insert(0, self)
        for name in self._actions:
            module = _imported(name)
            if module is not None:
                self._act(name, module)

    def stop(self) -> None:
        self._waiting.clear()
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self._waiting:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find(fullname, path, target) if find and finder is not self else None
            if spec is not None:
                self._follow(fullname, spec.loader)
                return spec
        return None

    def _follow(self, name: str, loader: Any) -> None:
        """Only this loader's ``exec_module`` is replaced, so that everything else about the module is as ever."""
        execute = getattr(loader, "exec_module", None)
        if execute is None:
            return

        def exec_module(module: ModuleType) -> None:
            execute(module)
            self._act(name, module)

        loader.exec_module = exec_module

    def _act(self, name: str, module: ModuleType) -> None:
        action = self._waiting.pop(name, None)
        if action is not None:
            action(module)


def _imported(name: str) -> ModuleType | None:
    """Waits for another thread that is in the middle of importing it; what fails in that is for the thread to tell."""
    if name not in sys.modules:
        return None
    try:
        return importlib.import_module(name)
    except Exception:
        return None
