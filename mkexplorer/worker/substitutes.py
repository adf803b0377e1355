"""What Triton's interpreter cannot do, or not in any useful time, done with torch on the CPU.

Only for a process that was started with ``TRITON_INTERPRET=1``, and for all of it. It replaces:

* ``libdevice``, which has no bodies outside a compiler: every function returns None;
* reductions and scans with a combining function of their own, which the interpreter does element by element;
* conversions to and from bfloat16 and the eight-bit floats, which it truncates where GPUs round to the nearest;
* two helpers of torch's that only a compiler can call;
* options: assertions in kernels hold, as they do in torch, and integers may overflow without a complaint.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import numpy
import torch

from . import libdevice
from .interpreted_values import as_torch, data_of, handle, of_torch, tensor

_FLOAT_TYPES = {
    "fp16": "float16",
    "bf16": "bfloat16",
    "fp32": "float32",
    "fp64": "float64",
    "fp8e4nv": "float8_e4m3fn",
    "fp8e5": "float8_e5m2",
    "fp8e4b8": "float8_e4m3fnuz",
    "fp8e5b16": "float8_e5m2fnuz",
}
# NumPy knows these, and the interpreter converts them itself.
_OWN_FLOATS = ("fp16", "fp32", "fp64")
_EIGHT_BITS = 8


@lru_cache(maxsize=None)
def install() -> None:
    from triton.runtime import interpreter

    libdevice.replace()
    _replace_conversions(interpreter.interpreter_builder)
    interpreter.ReduceOps.generic_reduce = _reduce
    interpreter.ScanOps.generic_scan = _scan
    builder: Any = interpreter.interpreter_builder
    builder.create_erf = lambda value: handle(of_torch(torch.special.erf(as_torch(value.data))), value.dtype.scalar)
    _replace_helpers()
    _let_scalars_index(interpreter)
    _replace_language_once(interpreter)
    wanted = {"debug": True, "sanitize_overflow": False}
    known = {field.name for field in dataclasses.fields(builder.options)}
    builder.options = dataclasses.replace(
        builder.options, **{name: value for name, value in wanted.items() if name in known}
    )


def _replace_helpers() -> None:
    import triton
    from torch._inductor.runtime import triton_helpers

    triton_helpers.constexpr_next_power_of_2 = triton.next_power_of_2
    triton_helpers.if_mask = lambda mask, value: None if mask is None else value


def _replace_language_once(interpreter: Any) -> None:
    """Instead of at every call of a function in a kernel, which takes longer than most such functions."""
    import triton.language as tl

    # All that is asked of a function is what of triton.language it can see.
    scope = interpreter._patch_lang(SimpleNamespace(__globals__={"tl": tl, "core": tl.core}))
    interpreter._patch_lang = lambda function: _Kept(scope)


class _Kept:
    """Stands where the interpreter has what would undo its replacements."""

    def __init__(self, scope: Any) -> None:
        self.scope = scope

    def restore(self) -> None:
        pass


def _let_scalars_index(interpreter: Any) -> None:
    """With an array of one element, too, where triton 3.6 asks NumPy 2.4 for what that no longer does."""
    replace_operators = interpreter._patch_lang_tensor

    def replace_and_index(tensor_type: Any, *rest: Any) -> None:
        replace_operators(tensor_type, *rest)
        tensor_type.__index__ = lambda value: int(value.handle.data.item())

    interpreter._patch_lang_tensor = replace_and_index


def _combined(operation: Any, left: Sequence[Any], right: Sequence[Any], dtypes: Sequence[Any]) -> list[Any]:
    """Two equally shaped groups of arrays through the kernel's own combining function."""
    arguments = [tensor(data, dtype) for data, dtype in zip([*left, *right], [*dtypes, *dtypes])]
    result = operation.combine_fn.rewrite()(*arguments)
    results = result if isinstance(result, tuple) else (result,)
    return [each.handle.data.astype(data.dtype, copy=False) for each, data in zip(results, left)]


def _reduce(operation: Any, values: Sequence[Any]) -> Any:
    """Halves onto each other until one is left, which is a tree as GPUs reduce in; sizes are powers of two."""
    dtypes = [value.dtype.scalar for value in values]
    axis = operation.axis
    arrays = [data_of(value) if axis is not None else value.handle.data.reshape(-1) for value in values]
    shape = arrays[0].shape
    along = 0 if axis is None else axis
    while arrays[0].shape[along] > 1:
        halves = [numpy.split(data, 2, axis=along) for data in arrays]
        arrays = _combined(operation, [half[0] for half in halves], [half[1] for half in halves], dtypes)
    if operation.keep_dims:
        arrays = [data.reshape([1] * len(shape)) if axis is None else data for data in arrays]
    else:
        arrays = [data.squeeze(along) for data in arrays]
    results = [tensor(data, dtype) for data, dtype in zip(arrays, dtypes)]
    return results[0] if len(results) == 1 else tuple(results)


def _scan(operation: Any, values: Sequence[Any]) -> Any:
    """In steps that double: after each, an element stands for twice as many of those before it."""
    dtypes = [value.dtype.scalar for value in values]
    arrays = [data_of(value) for value in values]
    axis = operation.axis
    size = arrays[0].shape[axis]
    around = [-1 if dimension == axis % arrays[0].ndim else 1 for dimension in range(arrays[0].ndim)]
    places = numpy.arange(size).reshape(around)
    step = 1
    while step < size:
        earlier = [numpy.roll(data, step, axis=axis) for data in arrays]
        both = _combined(operation, earlier, arrays, dtypes)
        arrays = [numpy.where(places >= step, new, old) for new, old in zip(both, arrays)]
        step *= 2
    return [tensor(data, dtype) for data, dtype in zip(arrays, dtypes)]


def _replace_conversions(builder: Any) -> None:
    convert_others = builder.cast_impl

    def convert(source: Any, to: Any, rounding: Any = None) -> Any:
        of, to = source.dtype.scalar, to.scalar
        if {of.name, to.name} <= set(_FLOAT_TYPES) and not {of.name, to.name} <= set(_OWN_FLOATS):
            return handle(_converted(source.data, of.name, to.name), to)
        if to.name in _FLOAT_TYPES and to.name not in _OWN_FLOATS:
            return handle(_converted(source.data.astype(numpy.float32), "fp32", to.name), to)
        return convert_others(source, to)

    builder.cast_impl = convert
    builder.create_fp_to_fp = convert


def _converted(data: Any, of: str, to: str) -> Any:
    """Rounds to the nearest, as GPUs do by default; what is too large for eight bits becomes their largest number."""
    values = as_torch(data).view(getattr(torch, _FLOAT_TYPES[of]))
    target = getattr(torch, _FLOAT_TYPES[to])
    if to.startswith("fp8"):
        most = torch.finfo(target).max
        values = values.float().clamp(-most, most)
    bits = f"int{target.itemsize * _EIGHT_BITS}"
    if to in _OWN_FLOATS:
        return of_torch(values.to(target))
    return of_torch(values.to(target).view(getattr(torch, bits))).view(f"u{bits}")
