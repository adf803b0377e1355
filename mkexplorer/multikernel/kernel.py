"""What a multi-kernel is made of, as plain data, and the rules by which its sub-kernels become one.

Nothing here runs or compiles anything; `mkexplorer.multikernel.from_triton` makes these from Triton functions,
`mkexplorer.multikernel.codegen` writes them down.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import chain, count

from mkexplorer.catalog.model import Kind

from .errors import DefinitionError
from .meta import Constant, KernelMeta

# Names that the generated `run` function and the functions inside it use themselves.
_RESERVED = re.compile(r"multi_kernel_call|grid|stream|args|need_clone_args|_|call\d+")
# What every generated kernel file begins with.
IMPORTS = ("import triton", "import triton.language as tl")
# What a configuration sets beside the kernel's own parameters.
LAUNCH_OPTIONS = ("num_warps", "num_stages", "num_ctas", "maxnreg")


class ArgumentKind(StrEnum):
    """What a kernel does with an argument. A numel is the size of an iteration range, any other number a number."""

    IN = "in"
    OUT = "out"
    IN_OUT = "in-out"
    WORKSPACE = "workspace"
    NUMBER = "number"
    NUMEL = "numel"


READ = frozenset({ArgumentKind.IN, ArgumentKind.IN_OUT})
WRITTEN = frozenset({ArgumentKind.OUT, ArgumentKind.IN_OUT})
TENSORS = READ | WRITTEN


@dataclass(frozen=True, slots=True)
class Argument:
    """One parameter of a kernel that a call passes.

    ``type`` is Triton's ('*fp32', 'i32'; '' where it is left to the call). ``value`` names what is passed: two
    parameters with the same value get the same buffer, within a sub-kernel and across sub-kernels. Without one, the
    parameter's own name is it.
    """

    name: str
    kind: ArgumentKind
    type: str = ""
    value: str = ""

    @property
    def passed(self) -> str:
        return self.value or self.name


class RangeKind(StrEnum):
    ITERATED = "iterated"
    REDUCED = "reduced"
    # A reduction range of the operation over which this sub-kernel does not reduce: its numel is not passed.
    NOT_REDUCED = "not reduced"


@dataclass(frozen=True, slots=True)
class Range:
    """One range that an operation iterates over. ``numel`` is what the numel's argument passes, ``hint`` a size."""

    numel: str
    kind: RangeKind = RangeKind.ITERATED
    hint: int | None = None


@dataclass(frozen=True, slots=True)
class Workspace:
    """Scratch memory that a call passes under ``name``; ``is_zeroed``: all zeros before every launch."""

    name: str
    size_bytes: int
    is_zeroed: bool = False


@dataclass(frozen=True, slots=True)
class SubKernelSpec:
    """One Triton kernel, ready to be written down.

    ``source`` begins with its ``@triton.jit`` line; above it have to stand ``imports`` and ``helpers``, the constants
    and functions that it uses. ``arguments`` are the parameters that a call passes, in the kernel's own order, with
    the numels of its ``ranges``; the other parameters are ``constants`` or come from the ``configs``, among which the
    run time tunes ('num_warps', 'num_stages', 'num_ctas', 'maxnreg' beside block sizes). ``grid`` has up to three
    expressions over all of them. ``device`` is what it was made for, for people and for the key. ``removed_buffers``
    are those that this kernel has no need to write; ``inplace_updates`` are pairs (buffer, the buffer whose memory it
    takes over). ``sizes`` are those of the bucket that it is tuned for, and '' where there is one choice for all.
    ``problem`` says why it cannot run with what it was made for, '' where it can. ``origin`` tells what it was made of,
    where its text holds what was computed for one call: the pick is then found by all calls with this origin.
    """

    name: str
    source: str
    arguments: tuple[Argument, ...]
    ranges: tuple[Range, ...] = ()
    kind: Kind = Kind.OTHER
    imports: tuple[str, ...] = IMPORTS
    helpers: str = ""
    constants: tuple[tuple[str, Constant], ...] = ()
    configs: tuple[tuple[tuple[str, int], ...], ...] = ()
    grid: tuple[str, ...] = ()
    reduction_hint: str = ""
    device: tuple[tuple[str, str | int], ...] = ()
    removed_buffers: frozenset[str] = frozenset()
    inplace_updates: frozenset[tuple[str, str]] = frozenset()
    workspaces: tuple[Workspace, ...] = ()
    sizes: str = ""
    problem: str = ""
    origin: str = ""

    def __post_init__(self) -> None:
        _check_numels(self)
        _check_workspaces(self)
        if kept := self.removed_buffers & {argument.passed for argument in self.arguments}:
            raise DefinitionError(f"{self.name} removes {min(kept)} and still takes it", "Say only one of the two.")

    @property
    def meta(self) -> KernelMeta:
        """What the decorator of its source says."""
        configs = tuple(dict(config) for config in self.configs) or ({},)
        constexprs = dict.fromkeys([*dict(self.constants), *(name for each in configs for name in each)], "constexpr")
        types = {each.name: each.type for each in self.arguments if each.type}
        return KernelMeta(
            name=self.name,
            kind=self.kind,
            size_hints=_size_hints(self.ranges),
            reduction_hint=self.reduction_hint,
            signature=types | {name: kind for name, kind in constexprs.items() if name not in LAUNCH_OPTIONS},
            constants=dict(self.constants),
            configs=configs,
            mutated=self.mutated,
            outputs=self.outputs,
            zeroed=self.zeroed,
            grid=self.grid,
            device=dict(self.device),
            sizes=self.sizes,
            problem=self.problem,
        )

    @property
    def mutated(self) -> tuple[str, ...]:
        """Parameters whose tensor is both read and written, be it through two parameters."""
        both = _values(self, READ) & _values(self, WRITTEN)
        return tuple(each.name for each in self.arguments if each.passed in both)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Parameters whose tensor is written and never read."""
        mutated = self.mutated
        return tuple(each.name for each in self.arguments if each.kind in WRITTEN and each.name not in mutated)

    @property
    def zeroed(self) -> tuple[str, ...]:
        """Parameters whose workspace has to hold zeros before every launch."""
        names = {each.name for each in self.workspaces if each.is_zeroed}
        return tuple(each.name for each in self.arguments if each.passed in names)


@dataclass(frozen=True)
class MultiKernel:
    """At least two equivalent sub-kernels, merged. Raises `DefinitionError`, which names the offender.

    ``sizes`` tells apart multi-kernels that differ in nothing but the sizes they are for: it becomes part of the key
    under which the pick is kept. ``operation`` is what a person calls the thing ('softmax').
    """

    sub_kernels: tuple[SubKernelSpec, ...]
    operation: str = ""
    sizes: str = ""

    def __post_init__(self) -> None:
        if len(self.sub_kernels) < 2:
            given = f"only {self.sub_kernels[0].name}" if self.sub_kernels else "none"
            raise DefinitionError(
                f"a multi-kernel needs at least two sub-kernels, and {given} was given",
                "Launch a single kernel without a multi-kernel.",
            )
        for sub_kernel in self.sub_kernels:
            self._check_arguments(sub_kernel)
            self._check_inplace_updates(sub_kernel)

    @cached_property
    def arguments(self) -> tuple[Argument, ...]:
        """Those of the sub-kernel that takes the most, in its order; without the numels."""
        return _without_numels(self._longest)

    @cached_property
    def numels(self) -> tuple[str, ...]:
        """The numels that any sub-kernel takes: those of iterated ranges first, then those of reductions."""
        ranges = [each for sub_kernel in self.sub_kernels for each in passed_ranges(sub_kernel)]
        reduced = {each.numel for each in ranges if each.kind is RangeKind.REDUCED}
        names = dict.fromkeys(each.numel for each in ranges)
        return (*(name for name in names if name not in reduced), *(name for name in names if name in reduced))

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """What `run` takes between the call object and the grid: ``arguments``, then ``numels``; names of its own."""
        names: list[str] = []
        for name in (*(argument.name for argument in self.arguments), *self.numels):
            while name in names or _RESERVED.fullmatch(name):
                name += "_"
            names.append(name)
        return tuple(names)

    @cached_property
    def takes(self) -> tuple[tuple[int, ...], ...]:
        """Per sub-kernel, in its own order, which of the ``parameters`` its arguments are."""
        values = [*(argument.passed for argument in self.arguments), *self.numels]
        return tuple(tuple(_positions(sub_kernel, values)) for sub_kernel in self.sub_kernels)

    @cached_property
    def removed_buffers(self) -> frozenset[str]:
        """Buffers that no sub-kernel has to write, so that nobody allocates them."""
        return frozenset.intersection(*(sub_kernel.removed_buffers for sub_kernel in self.sub_kernels))

    @property
    def inplace_updates(self) -> Mapping[str, str]:
        """Buffer to the buffer whose memory it takes over: the same in all sub-kernels."""
        return dict(sorted(self.sub_kernels[0].inplace_updates))

    @cached_property
    def workspaces(self) -> tuple[Workspace, ...]:
        """One of each name, as large as the largest, zeroed if any sub-kernel asks for that."""
        merged: dict[str, Workspace] = {}
        for workspace in (each for sub_kernel in self.sub_kernels for each in sub_kernel.workspaces):
            other = merged.get(workspace.name, workspace)
            size_bytes = max(workspace.size_bytes, other.size_bytes)
            merged[workspace.name] = Workspace(workspace.name, size_bytes, workspace.is_zeroed or other.is_zeroed)
        return tuple(merged.values())

    @cached_property
    def _longest(self) -> SubKernelSpec:
        def size(sub_kernel: SubKernelSpec) -> tuple[int, int]:
            arguments = _without_numels(sub_kernel)
            return len(arguments), len({argument.passed for argument in arguments})

        return max(self.sub_kernels, key=size)

    def _check_arguments(self, sub_kernel: SubKernelSpec) -> None:
        known = {argument.passed: argument for argument in self.arguments}
        for argument in _without_numels(sub_kernel):
            merged = known.get(argument.passed)
            if merged is None:
                raise DefinitionError(
                    f"{sub_kernel.name} takes {_told(argument)}, which {self._longest.name}, the sub-kernel with the "
                    f"most arguments, does not: {', '.join(known)}",
                    "Every sub-kernel's arguments must be among those of the one that takes the most.",
                )
            if argument.type and merged.type and argument.type != merged.type:
                raise DefinitionError(
                    f"{sub_kernel.name} takes {_told(argument)} as {argument.type}, "
                    f"{self._longest.name} as {merged.type}",
                    "The same argument has one type in all sub-kernels.",
                )

    def _check_inplace_updates(self, sub_kernel: SubKernelSpec) -> None:
        first = self.sub_kernels[0]
        different = sub_kernel.inplace_updates ^ first.inplace_updates
        if different:
            buffer, reused = min(different)
            is_first = (buffer, reused) in first.inplace_updates
            does, not_does = (first, sub_kernel) if is_first else (sub_kernel, first)
            raise DefinitionError(
                f"{does.name} updates {reused} in place for {buffer}, {not_does.name} does not",
                "In-place updates must be the same in all sub-kernels.",
            )


def passed_ranges(sub_kernel: SubKernelSpec) -> Iterator[Range]:
    """The ranges whose numel the kernel takes: one of a reduction only where the kernel reduces."""
    return (each for each in sub_kernel.ranges if each.kind is not RangeKind.NOT_REDUCED)


def _size_hints(ranges: Iterable[Range]) -> dict[str, int]:
    """Keyed as Inductor's: x, y, z for what is iterated, r0_, r1_ for what is reduced, by the operation's ranges."""
    iterated = chain("xyz", (f"x{number}" for number in count(3)))
    reduced = (f"r{number}_" for number in count())
    keyed = [(next(iterated if each.kind is RangeKind.ITERATED else reduced), each.hint) for each in ranges]
    return {key: hint for key, hint in keyed if hint is not None}


def _without_numels(sub_kernel: SubKernelSpec) -> tuple[Argument, ...]:
    return tuple(each for each in sub_kernel.arguments if each.kind is not ArgumentKind.NUMEL)


def _positions(sub_kernel: SubKernelSpec, values: list[str]) -> Iterator[int]:
    """What is passed several times is taken in the order in which it is passed, the last one as often as needed."""
    seen: Counter[str] = Counter()
    for argument in sub_kernel.arguments:
        places = [position for position, value in enumerate(values) if value == argument.passed]
        yield places[min(seen[argument.passed], len(places) - 1)]
        seen[argument.passed] += 1


def _values(sub_kernel: SubKernelSpec, kinds: Iterable[ArgumentKind]) -> set[str]:
    return {argument.passed for argument in sub_kernel.arguments if argument.kind in kinds}


def _told(argument: Argument) -> str:
    return argument.name if argument.passed == argument.name else f"{argument.passed} (as {argument.name})"


def _check_numels(sub_kernel: SubKernelSpec) -> None:
    taken = _values(sub_kernel, {ArgumentKind.NUMEL})
    declared = {each.numel for each in passed_ranges(sub_kernel)}
    if missing := declared - taken:
        raise DefinitionError(
            f"{sub_kernel.name} takes no numel {min(missing)}, though it iterates over that range",
            "Give it an argument of that name and the kind 'numel', or say that it does not reduce that range.",
        )
    if unknown := taken - declared:
        raise DefinitionError(
            f"{sub_kernel.name} takes the numel {min(unknown)}, but iterates over no such range",
            "Add the range, or let the argument be a number.",
        )


def _check_workspaces(sub_kernel: SubKernelSpec) -> None:
    taken = _values(sub_kernel, {ArgumentKind.WORKSPACE})
    declared = {each.name for each in sub_kernel.workspaces}
    if different := taken ^ declared:
        name = min(different)
        what = "takes the workspace {} of which it tells no size" if name in taken else "takes no workspace {}"
        raise DefinitionError(
            f"{sub_kernel.name} {what.format(name)}", "List each workspace that a kernel takes, with its size in bytes."
        )
