"""Torch's setting that turns multi-kernels on: its default for all threads, and off for a while. Imports no torch."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

OPTION = "triton.multi_kernel"
# To torch as good as 1; told from the 1 that a program sets also where a `patch` of torch's has made it what is set.
_ON = True


def turn_on(config: Any) -> bool:
    """As the default of ``torch._inductor.config``; whether that is so, because nobody has said otherwise."""
    is_unsaid = bool(config._is_default(OPTION) and config.triton.multi_kernel == 0)
    if is_unsaid:
        _set_default(config, _ON)
    return is_unsaid


def turn_off(config: Any) -> None:
    """Takes `turn_on` back."""
    _set_default(config, 0)
    if config.triton.multi_kernel is _ON:
        _unset(config)


@contextlib.contextmanager
def turned_off(config: Any) -> Iterator[None]:
    """In this thread (before torch 2.12: in all), whoever turned it on; afterwards it is as it was."""
    if not config.triton.multi_kernel:
        yield
        return
    is_unsaid = config._is_default(OPTION)
    try:
        with config.patch({OPTION: 0}):
            yield
    finally:
        if is_unsaid:
            _unset(config)


def _unset(config: Any) -> None:
    """A `patch` puts back what it found as if the program had set that."""
    unset = importlib.import_module("torch.utils._config_module")._UNSET_SENTINEL
    config._make_closure_patcher(**{OPTION: unset})()


def _set_default(config: Any, value: int) -> None:
    """For all threads, and for nobody who has set it: from torch 2.12 on what is set counts for one thread only."""
    config._config[OPTION].default = value
    # Torch makes the keys of its caches from copies that it keeps until a setting is set.
    if hasattr(config, "_is_dirty"):  # torch 2.9 to 2.12
        config._is_dirty = True
    for name, dirty in (("_hash_dirty_var", True), ("_get_dict_dirty_keys_var", None)):
        if hasattr(config, name):  # torch 2.13: one for each thread; in a new one all are dirty
            setattr(config, name, ContextVar(name, default=dirty))
