"""Copies of what a kernel overwrites, so that launches to measure it leave the program's own tensors alone.

Tensors whose memory overlaps are copied together: what is passed twice stays one tensor, and a view still looks into
its base. A copy lies as its original does modulo `_ALIGNMENT`, because Triton compiles another kernel for pointers
that are aligned otherwise. Tensors are found in tuples, and in Triton's descriptors and reinterpreted tensors, too;
what else may hold memory cannot be copied, and `CannotCopy` says so.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import isroutine
from numbers import Number
from typing import Any

from .choosing import is_out_of_memory
from .errors import MultiKernelError

_ALIGNMENT = 16
_TIMES_A_VIEW, _SMALL_STORAGE = 4, 16 << 20
# Where Triton's descriptors and reinterpreted tensors keep a tensor.
_HOLDING = ("base", "data")
# What a constexpr may be, beside numbers and text; and a truth of numpy's, which is no number.
_MEMORYLESS = frozenset({"dtype", "constexpr", "JITFunction", "InterpretedFunction", "ConstexprFunction"})
_MEMORYLESS |= frozenset({"bool", "bool_"})


class CannotCopy(MultiKernelError):
    """Memory that a kernel may overwrite cannot be copied, so that no launch can be made to measure it.

    The message says why, as a part of a sentence.
    """


@dataclass(frozen=True)
class Clones:
    """``arguments`` with copies in place of some; ``restore`` copies the originals again, None if nothing was copied.

    ``restore`` only queues its copies on the current stream.
    """

    arguments: tuple[Any, ...]
    restore: Callable[[], object] | None


@dataclass(frozen=True)
class _Memory:
    """The bytes at the addresses ``begin`` to ``end``, the tensors in it, and at which positions they are passed."""

    begin: int
    end: int
    tensors: tuple[Any, ...]
    positions: frozenset[int]


Reach = Callable[[Any], tuple[int, int]]
"""From a tensor to the addresses, first and behind the last, of what a kernel that gets it may touch."""


def own_extent(tensor: Any) -> tuple[int, int]:
    """The tensor's elements alone, and the gaps between them."""
    last = sum((length - 1) * stride for length, stride in zip(tensor.shape, tensor.stride(), strict=True))
    begin = int(tensor.data_ptr())
    return begin, begin + (last + 1) * tensor.element_size()


def whole_storage(tensor: Any) -> tuple[int, int]:
    """All memory that the tensor shares with others."""
    storage = tensor.untyped_storage()
    begin = storage.data_ptr()
    return begin, begin + storage.nbytes()


def surroundings(tensor: Any) -> tuple[int, int]:
    """For kernels of which nobody knows whether they go beyond a view that they get, to what is before or behind it.

    That is all of its storage, unless that is much more: a part of a large pool is taken to be all that is meant.
    """
    own, whole = own_extent(tensor), whole_storage(tensor)
    is_pool = whole[1] - whole[0] > max(_TIMES_A_VIEW * (own[1] - own[0]), _SMALL_STORAGE)
    return own if is_pool else whole


def clone_overwritten(
    arguments: Sequence[Any], mutated: Collection[int], outputs: Collection[int] = (), reach: Reach = own_extent
) -> Clones:
    """Copies what is at the positions ``mutated``, and those ``outputs`` that share memory with anything read.

    Raises `CannotCopy`.
    """
    if not mutated and not outputs:
        return Clones(tuple(arguments), None)
    _check_all_are_known(arguments)
    return _cloned(arguments, reach, lambda memory: _is_overwritten(memory, mutated, outputs))


def clone_all(arguments: Sequence[Any]) -> Clones:
    """Copies every tensor with its `surroundings`. Raises `CannotCopy`."""
    _check_all_are_known(arguments)
    return _cloned(arguments, surroundings, lambda memory: True)


def overwritten_bytes(arguments: Sequence[Any]) -> float:
    """How much memory `clone_all` takes; infinitely much where it cannot copy."""
    try:
        _check_all_are_known(arguments)
    except CannotCopy:
        return float("inf")
    return sum(memory.end - memory.begin for memory in _memories(arguments, surroundings))


def is_tensor(value: object) -> bool:
    return hasattr(value, "untyped_storage") and hasattr(value, "storage_offset")


def tensors_in(value: Any) -> Iterator[Any]:
    """The tensors that a kernel reaches through an argument."""
    if is_tensor(value):
        yield value
    for part in _parts(value).values():
        yield from tensors_in(part)


def _parts(value: Any) -> Mapping[Any, Any]:
    """What an argument is made of, by position or name."""
    if isinstance(value, tuple):
        return dict(enumerate(value))
    if not is_tensor(value) and type(value).__module__.startswith("triton."):
        return {name: part for name, part in getattr(value, "__dict__", {}).items() if name in _HOLDING}
    return {}


def _rebuilt(value: Any, copies: Mapping[int, Any]) -> Any:
    """``value`` with the ``copies``, by the `id` of their originals, in place of these."""
    if id(value) in copies:
        return copies[id(value)]
    old = _parts(value)
    new = {name: _rebuilt(part, copies) for name, part in old.items()}
    if all(new[name] is old[name] for name in old):
        return value
    if isinstance(value, tuple):
        return type(value)(*new.values()) if hasattr(value, "_fields") else type(value)(new.values())
    changed = copy.copy(value)
    vars(changed).update(new)
    return changed


def _check_all_are_known(arguments: Sequence[Any]) -> None:
    for value in arguments:
        if (unknown := _unknown_in(value)) is not None:
            raise CannotCopy(f"what a {type(unknown).__name__} among the arguments holds cannot be copied")


def _unknown_in(value: Any) -> Any:
    """What may hold memory that nobody sees from here; None where there is nothing of the kind."""
    if isinstance(value, tuple) or (not is_tensor(value) and _parts(value)):
        return next((found for each in _parts(value).values() if (found := _unknown_in(each)) is not None), None)
    if is_tensor(value):
        return None if str(value.layout) == "torch.strided" else value
    is_plain = value is None or isinstance(value, Number | str | type) or isroutine(value)
    return None if is_plain or type(value).__name__ in _MEMORYLESS else value


def _cloned(arguments: Sequence[Any], reach: Reach, is_wanted: Callable[[_Memory], bool]) -> Clones:
    wanted = [memory for memory in _memories(arguments, reach) if is_wanted(memory)]
    _check_devices(arguments, wanted)
    copies: dict[int, Any] = {}
    restores: list[Callable[[], object]] = []
    for memory in wanted:
        original = _bytes_of(memory)
        copied = _aligned_copy(original)
        copies |= {id(tensor): _view(tensor, copied, memory) for tensor in memory.tensors}
        restores.append(partial(copied.copy_, original))
    return Clones(tuple(_rebuilt(value, copies) for value in arguments), _all(restores))


def _is_overwritten(memory: _Memory, mutated: Collection[int], outputs: Collection[int]) -> bool:
    if any(position in mutated for position in memory.positions):
        return True
    written = [position for position in memory.positions if position in outputs]
    return 0 < len(written) < len(memory.positions)


def _check_devices(arguments: Sequence[Any], wanted: Sequence[_Memory]) -> None:
    """Copies on another device than the kernel's would not wait for its launches, nor these for them."""
    devices = [tensor.device for value in arguments for tensor in tensors_in(value)]
    used = next((device for device in devices if device.type != "cpu"), None)
    for tensor in (memory.tensors[0] for memory in wanted):
        if used is not None and tensor.device != used:
            raise CannotCopy(f"a tensor on {tensor.device} is overwritten by a kernel that runs on {used}")
        if tensor.is_pinned():
            raise CannotCopy("a tensor in pinned memory is overwritten")


def _memories(arguments: Sequence[Any], reach: Reach) -> list[_Memory]:
    """What the tensors lie in, each overlapping group once."""
    found: list[_Memory] = []
    for position, value in enumerate(arguments):
        for tensor in tensors_in(value):
            if tensor.numel() == 0:
                continue  # a kernel gets no address of it
            begin, end = reach(tensor)
            own = _Memory(begin, end, (tensor,), frozenset({position}))
            for other in [each for each in found if each.begin < end and begin < each.end]:
                found.remove(other)
                own = _merged(other, own)
            found.append(own)
    return found


def _merged(one: _Memory, other: _Memory) -> _Memory:
    begin, end = min(one.begin, other.begin), max(one.end, other.end)
    return _Memory(begin, end, (*one.tensors, *other.tensors), one.positions | other.positions)


def _bytes_of(memory: _Memory) -> Any:
    import torch

    for tensor in memory.tensors:
        begin, end = whole_storage(tensor)
        if begin <= memory.begin and memory.end <= end:
            empty = torch.empty(0, dtype=torch.uint8, device=tensor.device)
            size = memory.end - memory.begin
            return empty.set_(tensor.untyped_storage(), memory.begin - begin, (size,), (1,))
    raise CannotCopy("tensors among the arguments overlap without sharing a storage")


def _aligned_copy(original: Any) -> Any:
    before = original.data_ptr() % _ALIGNMENT
    try:
        copied = original.new_empty(before + original.numel())[before:]
    except Exception as error:
        if is_out_of_memory(error):
            raise CannotCopy(f"the GPU is out of memory for {original.numel()} more bytes") from error
        raise
    return copied.copy_(original)


def _view(tensor: Any, copied: Any, memory: _Memory) -> Any:
    """``copied``, of ``memory``, seen as ``tensor`` sees the original."""
    offset = copied.storage_offset() + tensor.data_ptr() - memory.begin
    empty = tensor.detach().new_empty(0)
    return empty.set_(copied.untyped_storage(), offset // tensor.element_size(), tensor.shape, tensor.stride())


def _all(restores: Sequence[Callable[[], object]]) -> Callable[[], object] | None:
    if len(restores) <= 1:
        return restores[0] if restores else None

    def restore() -> None:
        for each in restores:
            each()

    return restore
