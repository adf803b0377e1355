"""Puts the run time in its place and takes it away again. Imports no torch: it waits until the program does."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from .late_imports import Action, LateImports
from .releases import ADAPTERS, SUPPORTED, Adapter, adapter_of, missing_from
from .settings import Measure, settings
from .switch import turn_off, turn_on

_STOCK = "torch._inductor.codegen.multi_kernel"
_CONFIG = "torch._inductor.config"
# It has a name of its own for the class, by which C++ wrappers look their choices up.
_EARLY = "torch._inductor.codegen.cpp_wrapper_gpu"
_SCHEDULING = "torch._inductor.codegen.triton"
_VARIABLE = "TORCHINDUCTOR_MULTI_KERNEL"
_lock = threading.RLock()


def install(*, measure: str = "once", report: bool = False) -> None:
    """Has torch choose among sub-kernels as `mkexplorer.inductor` tells; installing again only changes the settings.

    ``measure`` is "once", "always" or "never"; anything else raises `ValueError`. With a release of torch that it is
    not made for it only warns.
    """
    wanted = Measure(measure)
    with _lock:
        settings.measure, settings.report = wanted, report
        if report:
            from .session import report_at_exit

            report_at_exit()
        _installation.begin()


def uninstall() -> None:
    """Leaves torch as it was. Wrappers that are loaded already keep the run time that they were loaded with."""
    with _lock:
        settings.report = False
        _installation.end()


@contextlib.contextmanager
def installed(*, measure: str = "once", report: bool = False) -> Iterator[None]:
    """`install` for as long as it lasts; where it was installed before, it stays, with the settings of before.

    Blocks of several threads may overlap: the settings are those of the last to begin of those that have not ended.
    """
    with _lock:
        block = _Block(_installation.is_begun, settings.measure, settings.report)
        install(measure=measure, report=report)
        _open.append(block)
    try:
        yield
    finally:
        with _lock:
            _end(block)


@dataclass(eq=False)
class _Block:
    """An `installed` that has not ended, and what was before it."""

    was_begun: bool
    measure: Measure
    report: bool


_open: list[_Block] = []


def _end(block: _Block) -> None:
    """What was before ``block`` comes back: now if it began last, else when the one that began after it ends."""
    place = _open.index(block)
    _open.remove(block)
    if place < len(_open):
        after = _open[place]
        after.was_begun, after.measure, after.report = block.was_begun, block.measure, block.report
        return
    if not block.was_begun:
        uninstall()
    settings.measure, settings.report = block.measure, block.report


class _Installation:
    """What was replaced in torch, and how to put it back."""

    is_begun = False

    def __init__(self) -> None:
        modules = {f"{__package__}.{name}" for adapter in ADAPTERS for name in adapter.classes.values()}
        actions = {
            _CONFIG: self._turn_on,
            _STOCK: self._replace,
            _SCHEDULING: self._decline,
            **dict.fromkeys(modules, self._resume),
        }
        self._imports = LateImports({name: self._safely(action) for name, action in actions.items()})
        self._replaced: list[tuple[Any, str, Any, Any]] = []
        self._put_off: ModuleType | None = None
        self._config: Any = None
        self._warned = False
        self._asked_at = ("", 0)

    def begin(self) -> None:
        if self.is_begun:
            return
        self.is_begun = True
        self._asked_at = _place_outside()
        if "torch.version" in sys.modules and self._adapter() is None:
            return
        self._imports.watch()

    def end(self) -> None:
        self.is_begun = False
        self._imports.stop()
        self._put_back()

    def _put_back(self) -> None:
        self._put_off = None
        for module, name, ours, stock in reversed(self._replaced):
            if getattr(module, name, None) is ours:
                setattr(module, name, stock)
        early = sys.modules.get(_EARLY)
        for _, name, ours, stock in self._replaced:
            if early is not None and getattr(early, name, None) is ours:  # imported while ours was in place
                setattr(early, name, stock)
        self._replaced.clear()
        if self._config is not None:
            turn_off(self._config)
            self._config = None

    def _adapter(self) -> Adapter | None:
        version = str(importlib.import_module("torch.version").__version__)
        adapter = adapter_of(version)
        if adapter is None:
            self._warn(f"mkexplorer chooses for torch {SUPPORTED}, and this is {version}")
        return adapter

    def _turn_on(self, config: Any) -> None:
        adapter = self._adapter()
        if adapter is None or _VARIABLE in os.environ:
            return
        if turn_on(config):
            self._config = config

    def _replace(self, stock: ModuleType) -> None:
        adapter = self._adapter()
        if adapter is None:
            return
        if missing := missing_from(stock, adapter):
            raise LookupError(f"it has no {missing}")
        ours = _ours(adapter)
        if ours is None:
            self._put_off = stock
            return
        for name, our in ours.items():
            for holder in (stock, sys.modules.get(_EARLY)):
                known = getattr(holder, name, None)
                if isinstance(holder, ModuleType) and known is not None:
                    self._put(holder, name, our)
        from .generating import named_apart

        self._put(stock.MultiKernelState, "define_kernel", named_apart(stock.MultiKernelState.define_kernel))

    def _decline(self, scheduling: Any) -> None:
        adapter = self._adapter()
        if adapter is not None:
            from .generating import declined

            held = scheduling.TritonScheduling
            self._put(held, "create_kernel_choices", declined(held.create_kernel_choices, adapter.is_for_cpp))

    def _put(self, holder: Any, name: str, ours: Any) -> None:
        self._replaced.append((holder, name, ours, getattr(holder, name)))
        setattr(holder, name, ours)

    def _resume(self, _: object) -> None:
        """One of our modules is done."""
        stock, self._put_off = self._put_off, None
        if stock is not None:
            self._replace(stock)

    def _safely(self, action: Action) -> Action:
        """Whatever fails in ``action``: the program gets torch as it is, and a warning."""

        def act(module: Any) -> None:
            try:
                action(module)
            except Exception as error:
                self._imports.stop()
                self._put_back()
                self._warn(f"mkexplorer cannot work with this build of torch: {type(error).__name__}: {error}")

        return act

    def _warn(self, text: str) -> None:
        if not self._warned:
            self._warned = True
            text = f"{text}: multi-kernels stay as torch has them."
            try:
                # Torch may be imported long after: what asked for this is the line to look at.
                warnings.warn_explicit(text, RuntimeWarning, *self._asked_at)
            except RuntimeWarning:  # a program for which warnings are errors can still import torch
                logging.getLogger("mkexplorer.inductor").warning(text)


def _ours(adapter: Adapter) -> dict[str, Any] | None:
    """Our classes by torch's names; None in the middle of one of our modules.

    That is where a program gets that imports one itself: it has torch's imported first.
    """
    classes: dict[str, Any] = {}
    for name, module in adapter.classes.items():
        classes[name] = getattr(importlib.import_module(f"{__package__}.{module}"), name, None)
        if classes[name] is None:
            return None
    return classes


def _place_outside() -> tuple[str, int]:
    """The file and the line of whoever called `install` or `installed`."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__") in (__name__, "contextlib"):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


_installation = _Installation()
