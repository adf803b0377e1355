"""The texts whose hashes are keys: a sub-kernel's own file, and the module that runs a multi-kernel.

The run module has the form in which torch 2.3 and 2.4 wrote it (``MultiKernelState.define_kernel``), so that what
reads theirs reads ours; `ARGUMENTS` and `TAKES` are our addition.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from mkexplorer.catalog.definitions import code_hash

from .errors import DefinitionError
from .kernel import ArgumentKind, MultiKernel, SubKernelSpec
from .meta import KernelMeta
from .triton_heuristics import NAMES
from .values import is_dtype, is_literal, literal, plain, tuple_text

_WIDTH = 116


def kernel_text(sub_kernel: SubKernelSpec) -> str:
    """The sub-kernel's file: what stands above it, a decorator that tells all about it, and its source.

    Raises `DefinitionError`, which names a constant that no file can hold.
    """
    meta = sub_kernel.meta
    meta = replace(meta, constants=plain(meta.constants), configs=tuple(map(plain, meta.configs)))
    imports = dict.fromkeys([*sub_kernel.imports, *(["import torch"] if _names_torch(meta) else [])])
    head = "\n".join([*imports, "", "from mkexplorer.multikernel import triton_heuristics"])
    parts = [head, sub_kernel.helpers.strip(), _decorator(meta) + sub_kernel.source.strip()]
    return "\n\n\n".join(part for part in parts if part) + "\n"


def run_module_text(multi_kernel: MultiKernel) -> str:
    """The module that runs the multi-kernel. The hash of this text is the key under which its pick is kept.

    A changed sub-kernel changes it: its text, or its origin where the text holds what was computed for one call.
    """
    lines = [
        f"# subkernel{index} code hash: {code_hash(sub_kernel.origin or kernel_text(sub_kernel))}"
        for index, sub_kernel in enumerate(multi_kernel.sub_kernels)
    ]
    if multi_kernel.sizes:
        lines.append(f"# sizes: {one_line(multi_kernel.sizes)}")
    lines += [
        f"ARGUMENTS = {tuple_text(map(repr, multi_kernel.parameters))}",
        f"TAKES = {tuple_text(tuple_text(map(str, each)) for each in multi_kernel.takes)}",
        "",
        "",
        f"def run({', '.join(['multi_kernel_call', *multi_kernel.parameters, 'grid', 'stream'])}):",
    ]
    for index in range(len(multi_kernel.sub_kernels)):
        lines += _call_function(multi_kernel, index)
    calls = ", ".join(f"call{index}" for index in range(len(multi_kernel.sub_kernels)))
    lines.append(f"    return multi_kernel_call.run_with_argless_kernels([{calls}])")
    return "\n".join(lines) + "\n"


def taken_parameters(multi_kernel: MultiKernel, index: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a sub-kernel takes of the multi-kernel's parameters: its arguments, then the numels that it takes last."""
    arguments = multi_kernel.sub_kernels[index].arguments
    names = [multi_kernel.parameters[position] for position in multi_kernel.takes[index]]
    count = len(arguments)
    while count and arguments[count - 1].kind is ArgumentKind.NUMEL:
        count -= 1
    return tuple(names[:count]), tuple(names[count:])


def _call_function(multi_kernel: MultiKernel, index: int) -> list[str]:
    arguments, numels = taken_parameters(multi_kernel, index)
    kernel = f"multi_kernel_call.kernels[{index}]"
    passed = ", ".join(["*args", *numels, "grid=grid", "stream=stream"])
    return [
        f"    def call{index}(need_clone_args=False):",
        f"        args = [{', '.join(arguments)}]",
        "        if need_clone_args:",
        f"            args, _ = {kernel}.clone_args(*args)",
        f"        return {kernel}.run({passed})",
        "",
    ]


def _decorator(meta: KernelMeta) -> str:
    _check_values(meta)
    triton_meta = {"signature": meta.signature, "constants": meta.constants, "device": meta.device}
    inductor_meta = {
        "kernel_name": meta.name,
        "mutated_arg_names": list(meta.mutated),
        "output_arg_names": list(meta.outputs),
        "reset_to_zero_arg_names": list(meta.zeroed),
        "grid": list(meta.grid),
        "configs": [dict(config) for config in meta.configs],
        # A bucket with a text, and so a tuned configuration, of its own.
        "sizes": meta.sizes,
        "problem": meta.problem,
    }
    lines = [f"@triton_heuristics.{NAMES[meta.kind]}("]
    if meta.size_hints:
        lines.append(f"    size_hints={dict(meta.size_hints)!r},")
    if meta.reduction_hint:
        lines.append(f"    reduction_hint={meta.reduction_hint!r},")
    lines.append("    filename=__file__,")
    lines += _mapping("triton_meta", triton_meta)
    lines += _mapping("inductor_meta", inductor_meta)
    return "\n".join([*lines, ")\n"])


def _check_values(meta: KernelMeta) -> None:
    for values in (meta.constants, *meta.configs):
        for name, value in values.items():
            if not is_literal(value):
                raise DefinitionError(
                    f"{meta.name} has {name} = {_kind_of(value)}, which cannot be written into a file",
                    "What can are numbers, texts, None and the dtypes of Triton and torch, and tuples of them; a "
                    "function can be a global that the kernel uses.",
                )


def _names_torch(meta: KernelMeta) -> bool:
    return any(_is_of_torch(value) for values in (meta.constants, *meta.configs) for value in values.values())


def _is_of_torch(value: object) -> bool:
    return any(map(_is_of_torch, value)) if type(value) is tuple else is_dtype(value, "torch")


def _kind_of(value: object) -> str:
    name = getattr(value, "__name__", None)
    return f"the {type(value).__name__} {name}" if isinstance(name, str) else f"a {type(value).__name__}"


def _mapping(name: str, values: Mapping[str, object]) -> Iterator[str]:
    """A keyword argument, one line for each value that is not empty; a long list has one for each item."""
    yield f"    {name}={{"
    for key, value in values.items():
        if not value and key != "signature":
            continue
        text = f"        {key!r}: {literal(value)},"
        if isinstance(value, Sequence) and not isinstance(value, str) and len(text) > _WIDTH:
            yield f"        {key!r}: ["
            yield from (f"            {literal(item)}," for item in value)
            yield "        ],"
        else:
            yield text
    yield "    },"


def one_line(text: str) -> str:
    """Free text as it can stand in a comment of a generated file: without what would end the comment or a list."""
    return " ".join(re.sub(r"""['"\\\[\]]""", "", text).split())
