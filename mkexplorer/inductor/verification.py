"""Measures what was chosen by shape, when the program has time for it."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .straight import Shape

# A program with ever new shapes is not to fill its memory with them.
_MOST = 1_000
_lock = threading.Lock()


@dataclass(frozen=True)
class _Seen:
    """The first call of one shape, without its tensors."""

    call: weakref.ref[Any]
    shape: Shape
    like: tuple[Any, ...]
    keywords: Mapping[str, Any]


_seen: list[_Seen] = []


def remember(call: Any, shape: Shape, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> None:
    """Keeps what `verify` needs to measure this choice later."""
    from .arguments import likeness

    with _lock:
        if len(_seen) < _MOST:
            _seen.append(_Seen(weakref.ref(call), shape, likeness(arguments), dict(keywords)))


def verify() -> int:
    """Measures the choices by shape (``multi_kernel_hints``) that were made since it was last called.

    To be called when it is convenient, as after the first step of a training: it takes some 20 ms for each shape, with
    random numbers in tensors of these shapes. Later calls use what was faster. Returns how many choices it changed.
    """
    with _lock:
        waiting = list(_seen)
        _seen.clear()
    return sum(_verify(each) for each in waiting)


def _verify(seen: _Seen) -> bool:
    call = seen.call()
    if call is None:
        return False
    from . import gpu
    from .arguments import alike

    keywords = {**seen.keywords, "stream": gpu.current_stream(int(call.kernels[0].device_props.index or 0))}
    return bool(call.verify(seen.shape, alike(seen.like), keywords))
