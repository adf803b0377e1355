"""Some of a kernel's programs in Triton's interpreter, one after the other, with an eye on the memory they touch."""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import Any, NamedTuple

import numpy
import torch

from .configured import told
from .interpreted_together import Deadlock, Group

# Of every kind of grid whose programs own a piece each of what is computed: by dimension of the grid, the size of the
# piece and how many elements there are in all. Every other dimension belongs to one piece together.
_PIECES = {
    "Grid1D": {0: ("XBLOCK", "xnumel")},
    "Grid2D": {0: ("XBLOCK", "xnumel"), 1: ("YBLOCK", "ynumel")},
    "Grid3D": {0: ("XBLOCK", "xnumel"), 1: ("YBLOCK", "ynumel"), 2: ("ZBLOCK", "znumel")},
    "CooperativeReductionGrid": {1: ("XBLOCK", "xnumel")},
    "SplitScanGrid": {1: ("XBLOCK", "xnumel")},
    "MixOrderReductionGrid": {0: ("RSPLIT_SIZE", "xnumel")},
}
_WAITING = "CooperativeReductionGrid"
_FEWEST_ELEMENTS = 8
_MOST_PROGRAMS = 4096


class CannotInterpret(Exception):
    """The text says why."""


class Launch(NamedTuple):
    """A kernel with its arguments, ready to run: ``constants`` are what its configuration gives."""

    function: Any
    arguments: Sequence[Any]
    constants: dict[str, Any]
    grid: tuple[int, int, int]
    grid_type: str
    numels: dict[str, int]


def steps(launches: Sequence[Launch]) -> dict[str, int]:
    """By kind of piece, the least size that all kernels divide, so that all of them compute the very same elements."""
    found: dict[str, int] = {}
    for launch in launches:
        for block, _ in _PIECES.get(launch.grid_type, {}).values():
            size, before = _size(launch, block), found.get(block, 1)
            found[block] = size * before // math.gcd(size, before)
    return found


def programs(launch: Launch, least: dict[str, int]) -> list[tuple[int, int, int]]:
    """Those that compute the first elements along every dimension and the last: the ends are where masks matter."""
    pieces = _PIECES.get(launch.grid_type, {})
    indices = []
    for dimension, count in enumerate(launch.grid):
        if dimension not in pieces:
            indices.append(list(range(count)))
            continue
        block, numel = pieces[dimension]
        size, step = _size(launch, block), least[block]
        elements = launch.numels.get(numel, count * size)
        first = -(-_FEWEST_ELEMENTS // step) * step
        last = (elements - 1) // step * step
        indices.append([index for index in range(count) if index * size < first or index * size >= last])
    # The first dimension is the fastest on a GPU, and a program may wait for those before it.
    chosen = [(x, y, z) for z, y, x in itertools.product(*reversed(indices))]
    if len(chosen) > _MOST_PROGRAMS:
        raise CannotInterpret(f"{len(chosen)} programs would have to run, too many for the interpreter")
    return chosen


def _size(launch: Launch, block: str) -> int:
    return int(launch.constants.get(block, 1))


class Memory:
    """The arguments' addresses: nothing else may be read or written, and what was written is remembered."""

    def __init__(self, tensors: Sequence[torch.Tensor]) -> None:
        storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
        self._starts = sorted(storages)
        self._ends = [start + storages[start] for start in self._starts]
        self._written: list[Any] = []

    def written(self, tensor: torch.Tensor) -> torch.Tensor:
        """Which elements of its storage were written, in order."""
        start, size = tensor.untyped_storage().data_ptr(), tensor.element_size()
        end = start + tensor.untyped_storage().nbytes()
        own = [each[(each >= start) & (each < end)] for each in self._written]
        addresses = numpy.unique(numpy.concatenate(own)) if own else numpy.zeros(0, numpy.uint64)
        return torch.from_numpy(((addresses - numpy.uint64(start)) // numpy.uint64(size)).astype(numpy.int64))

    def touch(self, pointers: Any, mask: Any, *, is_write: bool) -> None:
        """Raises `CannotInterpret` where an address is not the arguments' own."""
        addresses = pointers.data[numpy.broadcast_to(mask.data, pointers.data.shape)]
        if not addresses.size:
            return
        size = max(1, pointers.get_element_ty().primitive_bitwidth // 8)
        low, high = int(addresses.min()), int(addresses.max()) + size
        place = bisect_right(self._starts, low) - 1
        if place < 0 or high > self._ends[place]:
            self._look_at_each(addresses, size, is_write)
        if is_write:
            self._written.append(addresses.reshape(-1).copy())

    def _look_at_each(self, addresses: Any, size: int, is_write: bool) -> None:
        starts, ends = (numpy.array(each, numpy.uint64) for each in (self._starts, self._ends))
        places = numpy.searchsorted(starts, addresses, side="right").astype(numpy.int64) - 1
        is_own = (places >= 0) & (addresses + numpy.uint64(size) <= ends[places.clip(min=0)])
        if not is_own.all():
            verb = "writes" if is_write else "reads"
            raise CannotInterpret(f"it {verb} {int((~is_own).sum())} elements outside of its arguments")


def run(launch: Launch, chosen: Sequence[tuple[int, int, int]], deadline_s: float, memory: Memory | None) -> None:
    """Raises `CannotInterpret` with the interpreter's own reason, or if it is not through by ``deadline_s``."""
    from torch._inductor.runtime import triton_helpers
    from triton.runtime.errors import InterpreterError
    from triton.runtime.interpreter import interpreter_builder as builder

    def start(programs: int) -> None:
        # Whether numbers may overflow is set by thread.
        with numpy.errstate(all="ignore"):
            launch.function[(programs, 1, 1)](*launch.arguments, **launch.constants)

    def choose(program: tuple[int, int, int]) -> None:
        if monotonic() > deadline_s:
            raise CannotInterpret("the interpreter takes too long")
        builder.grid_idx = program

    def run_each() -> None:
        with _attributes(builder, {"set_grid_idx": lambda x, *_: choose(chosen[x])}):
            start(len(chosen))

    def run_together(programs: Sequence[tuple[int, int, int]]) -> None:
        group = Group(lambda index: choose(programs[index]))
        replaced = _attributes(triton_helpers, {"x_grid_barrier": group.barrier})
        with replaced, _attributes(builder, {"set_grid_idx": lambda *_: None}):
            group.run([functools.partial(start, 1)] * len(programs))

    fixed = {"grid_dim": launch.grid, "set_grid_dim": lambda *_: None}
    with _attributes(builder, {**fixed, **(_watchers(builder, memory) if memory else {})}):
        try:
            if launch.grid_type != _WAITING:
                run_each()
                return
            for _, piece in itertools.groupby(chosen, key=lambda program: program[1:]):
                run_together(list(piece))
        except (InterpreterError, Deadlock) as error:
            raise _cause(error) from None


def _cause(error: BaseException) -> CannotInterpret:
    """An error is wrapped once for each function of the kernel that it came through."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error if isinstance(error, CannotInterpret) else CannotInterpret(told(error))


def _watchers(builder: Any, memory: Memory) -> dict[str, Any]:
    """What is looked at before the interpreter reads or writes."""

    def load(pointers: Any, mask: Any, *rest: Any, **named: Any) -> Any:
        memory.touch(pointers, mask, is_write=False)
        return loads(pointers, mask, *rest, **named)

    def store(pointers: Any, value: Any, mask: Any, *rest: Any, **named: Any) -> Any:
        memory.touch(pointers, mask, is_write=True)
        return stores(pointers, value, mask, *rest, **named)

    def change(operation: Any, pointers: Any, value: Any, mask: Any, *rest: Any) -> Any:
        memory.touch(pointers, mask, is_write=True)
        return changes(operation, pointers, value, mask, *rest)

    loads, stores = builder.create_masked_load, builder.create_masked_store
    changes = builder.create_atomic_rmw
    return {"create_masked_load": load, "create_masked_store": store, "create_atomic_rmw": change}


@contextlib.contextmanager
def _attributes(target: Any, values: dict[str, Any]) -> Iterator[None]:
    """Of the object itself, not of its class, for as long as it lasts."""
    before = {name: vars(target)[name] for name in values if name in vars(target)}
    vars(target).update(values)
    try:
        yield
    finally:
        for name in values:
            del vars(target)[name]
        vars(target).update(before)
