"""Copies of what a kernel overwrites, so that launches to measure it leave the program's own tensors alone.

Tensors whose memory overlaps are copied together: what is passed twice stays one tensor, and a view still looks into
its base. A copy lies as its original does modulo `_ALIGNMENT`, because Triton compiles another kernel for pointers
that are aligned otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

_ALIGNMENT = 16


@dataclass(frozen=True)
class Clones:
    """``arguments`` with copies in place of some; ``restore`` copies the originals again, None if nothing was copied.

    ``restore`` only queues its copies on the current stream.
    """

    arguments: tuple[Any, ...]
    restore: Callable[[], object] | None


@dataclass(frozen=True)
class _Memory:
    """The bytes ``begin`` to ``end`` of one storage, and at which positions tensors in it are passed."""

    storage: int
    begin: int
    end: int
    positions: tuple[int, ...]


def clone_overwritten(arguments: Sequence[Any], mutated: Collection[int], outputs: Collection[int] = ()) -> Clones:
    """Copies what is at the positions ``mutated``, and those ``outputs`` that share memory with anything read."""
    return _cloned(arguments, lambda memory: _is_overwritten(memory, mutated, outputs))


def clone_all(arguments: Sequence[Any]) -> Clones:
    """Copies every tensor."""
    return _cloned(arguments, lambda memory: True)


def overwritten_bytes(arguments: Sequence[Any]) -> int:
    """How much memory `clone_all` takes."""
    return sum(memory.end - memory.begin for memory in _memories(arguments))


def is_tensor(value: object) -> bool:
    return hasattr(value, "untyped_storage") and hasattr(value, "storage_offset")


def _cloned(arguments: Sequence[Any], is_wanted: Callable[[_Memory], bool]) -> Clones:
    copied = list(arguments)
    restores: list[Callable[[], object]] = []
    for memory in _memories(arguments):
        if not is_wanted(memory):
            continue
        original = _bytes_of(arguments[memory.positions[0]], memory)
        copy = original.clone()
        for position in memory.positions:
            copied[position] = _view(arguments[position], copy, memory)
        restores.append(partial(copy.copy_, original))
    return Clones(tuple(copied), _all(restores))


def _is_overwritten(memory: _Memory, mutated: Collection[int], outputs: Collection[int]) -> bool:
    if any(position in mutated for position in memory.positions):
        return True
    written = [position for position in memory.positions if position in outputs]
    return 0 < len(written) < len(memory.positions)


def _memories(arguments: Sequence[Any]) -> list[_Memory]:
    """What the tensors lie in, each overlapping group once."""
    found: list[_Memory] = []
    for position, value in enumerate(arguments):
        if not is_tensor(value) or value.numel() == 0:
            continue
        own = _memory_of(value, position)
        for other in [each for each in found if _overlap(each, own)]:
            found.remove(other)
            begin, end = min(own.begin, other.begin), max(own.end, other.end)
            own = _Memory(own.storage, begin, end, (*other.positions, *own.positions))
        found.append(own)
    return found


def _memory_of(tensor: Any, position: int) -> _Memory:
    size = tensor.element_size()
    begin = tensor.storage_offset() * size
    last = sum((length - 1) * stride for length, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return _Memory(tensor.untyped_storage().data_ptr(), begin, begin + (last + 1) * size, (position,))


def _overlap(one: _Memory, other: _Memory) -> bool:
    return one.storage == other.storage and one.begin < other.end and other.begin < one.end


def _bytes_of(tensor: Any, memory: _Memory) -> Any:
    """The memory as a tensor of bytes, from an aligned address on."""
    import torch

    begin = memory.begin - memory.begin % _ALIGNMENT
    empty = torch.empty(0, dtype=torch.uint8, device=tensor.device)
    return empty.set_(tensor.untyped_storage(), begin, (memory.end - begin,), (1,))


def _view(tensor: Any, copy: Any, memory: _Memory) -> Any:
    """``copy`` seen as ``tensor`` sees the original."""
    begin = memory.begin - memory.begin % _ALIGNMENT
    offset = tensor.storage_offset() - begin // tensor.element_size()
    empty = tensor.detach().new_empty(0)
    return empty.set_(copy.untyped_storage(), offset, tensor.shape, tensor.stride())


def _all(restores: Sequence[Callable[[], object]]) -> Callable[[], object] | None:
    if len(restores) <= 1:
        return restores[0] if restores else None

    def restore() -> None:
        for each in restores:
            each()

    return restore
