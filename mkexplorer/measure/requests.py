"""From a multi-kernel of a catalog to what a worker is to measure. Reads the place, runs nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from mkexplorer.catalog import Catalog
from mkexplorer.catalog.definitions import argument_slices, parameters_of, taken_positions
from mkexplorer.catalog.errors import PlaceError
from mkexplorer.catalog.kernel_files import KernelFile, KernelFiles
from mkexplorer.catalog.model import Argument, CallSite, MultiKernel, ScalarArgument, SubKernel, TensorArgument
from mkexplorer.catalog.symbols import OpenSymbol
from mkexplorer.catalog.wrapper_parser import OWN

from .errors import BenchError
from .model import ArgumentSource, BenchRequest, KernelUnderTest
from .own_calls import with_call
from .sizes import Sizes

_BEST_CONFIG = ".best_config"
_MOST_BEST_CONFIGS = 1_000
_BEST_CONFIG_BYTES = 64 * 1024


def bench_request(
    catalog: Catalog,
    multi_kernel: MultiKernel,
    *,
    picked: int | None = None,
    sizes: Mapping[str, int] | None = None,
    recorded: tuple[Argument, ...] = (),
) -> BenchRequest:
    """``sizes`` gives symbolic sizes their values ({'s0': 4096}); for others those of the compilation are taken.

    ``recorded`` are the arguments of a call that a program made, and are taken where no ``sizes`` are given.

    Raises `BenchError` where a size stays open, and `MkexplorerError` where a source is missing.
    """
    files = KernelFiles(catalog)
    kernels = files.of(multi_kernel)
    found = Sizes(catalog, multi_kernel, sizes or {})
    is_recorded = bool(recorded) and not sizes and _fit(multi_kernel, recorded)
    call, arguments, notes = (None, recorded, ()) if is_recorded else _arguments(multi_kernel, found)
    source = ArgumentSource.CALL if arguments is not None else ArgumentSource.GET_ARGS
    takes = _takes(multi_kernel, files.definition(multi_kernel), kernels)
    if call and arguments and catalog.wrapper(multi_kernel).written_by == OWN:
        passed = [[arguments[position] for position in taken] for taken in takes]
        kernels = [
            replace(kernel, text=with_call(kernel.text, call.grid, taken))
            for kernel, taken in zip(kernels, passed, strict=True)
        ]
    return BenchRequest(
        multi_kernel_id=multi_kernel.id,
        kernels=tuple(
            _under_test(catalog, multi_kernel, sub_kernel, kernel, taken)
            for sub_kernel, kernel, taken in zip(multi_kernel.sub_kernels, kernels, takes, strict=True)
        ),
        arguments=arguments,
        source=ArgumentSource.RECORDED if is_recorded else source,
        picked=picked,
        notes=notes,
    )


def _fit(multi_kernel: MultiKernel, recorded: tuple[Argument, ...]) -> bool:
    return all(len(call.arguments) == len(recorded) for call in multi_kernel.calls)


def kernels_under_test(catalog: Catalog, multi_kernel: MultiKernel) -> tuple[KernelUnderTest, ...]:
    """The sub-kernels without what a call passes: enough to compile them. Raises `MkexplorerError`."""
    files = KernelFiles(catalog).of(multi_kernel)
    pairs = zip(multi_kernel.sub_kernels, files, strict=True)
    return tuple(_under_test(catalog, multi_kernel, sub_kernel, file, ()) for sub_kernel, file in pairs)


def _arguments(
    multi_kernel: MultiKernel, sizes: Sizes
) -> tuple[CallSite | None, tuple[Argument, ...] | None, tuple[str, ...]]:
    """The first call whose arguments are all known, these, and what to tell about them; None where no call tells."""
    resolved = []
    problem: BenchError | None = None
    for call in multi_kernel.calls:
        if not all(_is_told(argument) for argument in call.arguments):
            continue
        try:
            resolved.append((call, tuple(_resolved(argument, sizes, call) for argument in call.arguments)))
        except OpenSymbol as symbol:
            message = f"{multi_kernel.id}: the size {symbol} of its arguments is not known"
            problem = problem or BenchError(message, f"Give it a value, for example --size {symbol}=4096.")
        except ValueError as error:
            problem = problem or BenchError(f"{multi_kernel.id}: a size of its arguments is not known: {error}")
    if not resolved:
        if problem:
            raise problem
        return None, None, ()
    call, arguments = resolved[0]
    notes = list(sizes.notes(call))
    if any(_layout(others) != _layout(arguments) for _, others in resolved[1:]):
        notes.append(
            f"called {len(multi_kernel.calls)} times with different arguments; these are those of line {call.line}"
        )
    return call, arguments, tuple(notes)


def _is_told(argument: Argument) -> bool:
    if isinstance(argument, TensorArgument):
        return None not in (argument.dtype, argument.shape, argument.stride)
    return True


def _resolved(argument: Argument, sizes: Sizes, call: CallSite) -> Argument:
    if isinstance(argument, ScalarArgument):
        return replace(argument, value=sizes.of(argument.value, call))
    assert argument.shape is not None
    assert argument.stride is not None
    return replace(
        argument,
        shape=tuple(sizes.integer(size, call) for size in argument.shape),
        stride=tuple(sizes.integer(size, call) for size in argument.stride),
        offset=sizes.integer(argument.offset, call),
    )


def _layout(arguments: tuple[Argument, ...]) -> list[object]:
    return [
        (each.dtype, each.shape, each.stride, each.offset) if isinstance(each, TensorArgument) else each.value
        for each in arguments
    ]


def _takes(multi_kernel: MultiKernel, definition: str, kernels: list[KernelFile]) -> list[tuple[int, ...]]:
    """Which arguments of the call each sub-kernel takes, in its order."""
    names = [argument.name for call in multi_kernel.calls[:1] for argument in call.arguments]
    everything = tuple(range(len(names)))
    told = taken_positions(definition)
    if len(told) == len(kernels) and all(position < len(names) for taken in told for position in taken):
        return told
    if "def run(multi_kernel_call, " in definition:  # torch 2.3 and 2.4 pass arguments by name
        return [_by_name(parameters_of(kernel.text), names) or everything for kernel in kernels]
    slices = argument_slices(definition)
    return [
        tuple(position for begin, end in slices[index] for position in everything[begin:end])
        if index in slices
        else everything
        for index in range(len(kernels))
    ]


def _by_name(parameters: tuple[str, ...], names: list[str]) -> tuple[int, ...]:
    """Empty where one of them is not there."""
    if not set(parameters) <= set(names):
        return ()
    return tuple(names.index(parameter) for parameter in parameters)


def _under_test(
    catalog: Catalog, multi_kernel: MultiKernel, sub_kernel: SubKernel, file: KernelFile, takes: tuple[int, ...]
) -> KernelUnderTest:
    return KernelUnderTest(
        key=file.key,
        name=file.name,
        text=file.text,
        best_configs=dict(_best_configs(catalog, file.key[1:3])),
        configuration=_recorded_configuration(catalog, multi_kernel, sub_kernel),
        takes=takes,
    )


def _best_configs(catalog: Catalog, shelf: str) -> Iterator[tuple[str, str]]:
    """All on the kernel's shelf: from torch 2.8 on only torch itself can tell by the name whose a file is."""
    names = [name for name in catalog.store.names(shelf) if name.endswith(_BEST_CONFIG)]
    for name in names[:_MOST_BEST_CONFIGS]:
        try:
            yield name, catalog.store.read_text(f"{shelf}/{name}", limit=_BEST_CONFIG_BYTES)
        except PlaceError:
            continue  # the kernel is tuned anew then


def _recorded_configuration(
    catalog: Catalog, multi_kernel: MultiKernel, sub_kernel: SubKernel
) -> Mapping[str, int] | None:
    evidence = catalog.evidence(multi_kernel)
    known = evidence.sub_kernels[sub_kernel.index : sub_kernel.index + 1] if evidence else ()
    if known and known[0].configuration:
        return dict(known[0].configuration)
    for config in catalog.configs(sub_kernel):
        if config.won and config.block_sizes and config.num_warps and config.num_stages:
            return {**dict(config.block_sizes), "num_warps": config.num_warps, "num_stages": config.num_stages}
    return None
