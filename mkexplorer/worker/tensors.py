"""The arguments of a measurement: layouts as the call has them, with values that a real program could pass.

`plan` decides from the sources what each argument holds and needs no torch; `build` makes the tensors on any device.
"""

from __future__ import annotations

import math
from typing import Any, Iterable, NamedTuple, Sequence, Union

from .kernel_source import KernelSource, value_of

# What a tensor is to its kernels. SCRATCH is a workspace or a row of semaphores, zeroed before every launch.
INPUT, OUTPUT, IN_OUT, SCRATCH = "input", "output", "in-out", "scratch"

SCRATCH_NAMES = ("ws_ptr", "sem_ptr", "workspace", "semaphores")
# Inductor expects this alignment of every buffer, and of an offset in it where the kernel's signature says so.
_ALIGNMENT = 16
# Integers that are no indices are less than this.
SMALL_INTEGERS = 100
_SHARE_OF_TRUE = 0.75
_LEAST_POSITIVE = 0.1

Number = Union[int, float]


class TensorSpec(NamedTuple):
    """One tensor before it is made; shape, stride and offset in elements.

    ``below`` bounds the elements of an index tensor: they are 0 or more and less than it. None for all others.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int = 0
    role: str = INPUT
    below: int | None = None

    @property
    def extent(self) -> int:
        """Elements from the first to the last one of the tensor, both included."""
        if 0 in self.shape:
            return 0
        return 1 + sum((size - 1) * stride for size, stride in zip(self.shape, self.stride))

    @property
    def elements(self) -> int:
        """Different elements in memory: a dimension of stride 0 repeats one, windows may overlap."""
        return min(self.extent, math.prod(size for size, stride in zip(self.shape, self.stride) if stride or not size))


Spec = Union[TensorSpec, int, float]
Sources = Sequence["tuple[KernelSource, Sequence[int]]"]


def plan(arguments: Sequence[dict[str, Any]], sources: Sources) -> list[Spec]:
    """What to make for the ``arguments`` of a request; each source comes with the indices of those that it takes."""
    numbers = {each["name"]: each["value"] for each in arguments if each["kind"] == "number"}
    return [
        each["value"] if each["kind"] == "number" else _tensor_spec(index, each, sources, numbers)
        for index, each in enumerate(arguments)
    ]


def _tensor_spec(index: int, argument: dict[str, Any], sources: Sources, numbers: dict[str, Number]) -> TensorSpec:
    shape = tuple(argument["shape"])
    stride = argument.get("stride")
    named = [(source, name) for source, takes in sources for name in _names(index, source, takes)]
    return TensorSpec(
        argument["name"],
        argument["dtype"],
        shape,
        contiguous(shape) if stride is None else tuple(stride),
        argument.get("offset") or 0,
        _role(argument["name"], named),
        _below(named, {name: value for name, value in numbers.items() if isinstance(value, int)}),
    )


def _names(index: int, source: KernelSource, takes: Sequence[int]) -> list[str]:
    """What a kernel calls an argument; a call may pass it more than once."""
    return [name for name, taken in zip(source.parameters, takes) if taken == index]


def _role(name: str, named: list[tuple[KernelSource, str]]) -> str:
    if name.startswith(SCRATCH_NAMES) or any(own in source.zeroed for source, own in named):
        return SCRATCH
    if any(own in source.mutated and own in source.read for source, own in named):
        return IN_OUT
    is_written = any(own in source.written for source, own in named)
    # Nothing tells of stores through a descriptor; torch's names do.
    return OUTPUT if is_written or name.startswith(("out_ptr", "in_out_ptr")) else INPUT


def _below(named: list[tuple[KernelSource, str]], numbers: dict[str, int]) -> int | None:
    """The least of all bounds; 1, so that all elements are 0, where one of them is not known."""
    bounds: list[int] = []
    for source, own in named:
        if own in source.bounds:
            values = [value_of(text, numbers) for text in source.bounds[own]]
            bounds += [value or 1 for value in values] if values else [1]
    return max(1, min(bounds)) if bounds else None


def contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    strides = [1] * len(shape)
    for dimension in range(len(shape) - 2, -1, -1):
        strides[dimension] = strides[dimension + 1] * max(1, shape[dimension + 1])
    return tuple(strides)


def bytes_moved(specs: Sequence[Spec], sources: Sources) -> int | None:
    """What a launch must at least transfer: every argument read or written once, both where it is in-out.

    A kernel that gathers from a large tensor touches no more of it than it has points to visit. None for no tensors.
    """
    tensors = [(index, spec) for index, spec in enumerate(specs) if isinstance(spec, TensorSpec)]
    numbers = _numels(specs, sources)
    points = math.prod(numbers) if numbers else None
    total = 0
    for index, spec in tensors:
        if spec.role == SCRATCH:
            continue
        counts = [source.accesses.get(name, 1) for source, takes in sources for name in _names(index, source, takes)]
        most = spec.elements if points is None or not counts else min(spec.elements, points * min(counts))
        total += most * item_size(spec.dtype) * (2 if spec.role == IN_OUT else 1)
    return total if tensors else None


def _numels(specs: Sequence[Spec], sources: Sources) -> list[int]:
    for source, takes in sources:
        passed = dict(zip(source.parameters, takes))
        found = [specs[index] for name, index in passed.items() if name.endswith("numel")]
        return [value for value in found if isinstance(value, int)]
    return []


def needed_bytes(specs: Iterable[Spec]) -> int:
    """What `build` allocates for them."""
    tensors = [spec for spec in specs if isinstance(spec, TensorSpec)]
    return sum((spec.extent + _kept_offset(spec)) * item_size(spec.dtype) for spec in tensors)


def item_size(dtype: str) -> int:
    import torch

    return int(torch.empty((), dtype=getattr(torch, dtype)).element_size())


def build(specs: Sequence[Spec], device: Any, seed: int, *, positive: bool = False) -> list[Any]:
    """The arguments in order, numbers as they are. Floats are normal, or above 0 if ``positive``; outputs are unset."""
    import torch

    generator = torch.Generator(device=device).manual_seed(seed)
    made: list[Any] = []
    for spec in specs:
        if not isinstance(spec, TensorSpec):
            made.append(spec)
            continue
        offset = _kept_offset(spec)
        storage = _values(spec, spec.extent + offset, device, generator, positive)
        made.append(storage.as_strided(spec.shape, spec.stride, offset))
    return made


def _kept_offset(spec: TensorSpec) -> int:
    """Of a tensor's place in its storage only the alignment matters."""
    return spec.offset % max(1, _ALIGNMENT // item_size(spec.dtype))


def _values(spec: TensorSpec, count: int, device: Any, generator: Any, positive: bool) -> Any:
    import torch

    dtype = getattr(torch, spec.dtype)
    if spec.role == SCRATCH:
        return torch.zeros(count, dtype=dtype, device=device)
    if spec.role == OUTPUT:
        return torch.empty(count, dtype=dtype, device=device)
    if dtype.is_floating_point or dtype.is_complex:
        # There are no random numbers of eight bits.
        of = torch.float16 if dtype.itemsize == 1 else dtype
        values = torch.randn(count, dtype=of, device=device, generator=generator)
        if positive and not dtype.is_complex:
            values.abs_().add_(_LEAST_POSITIVE)
        return values.to(dtype)
    if dtype is torch.bool:
        return torch.rand(count, device=device, generator=generator) < _SHARE_OF_TRUE
    limit = SMALL_INTEGERS if spec.below is None else spec.below
    # Torch makes no random numbers of the larger unsigned types.
    of = dtype if dtype in (torch.uint8, torch.int8, torch.int16, torch.int32) else torch.int64
    limit = min(limit, torch.iinfo(of).max)
    return torch.randint(0, limit, (count,), dtype=of, device=device, generator=generator).to(dtype)
