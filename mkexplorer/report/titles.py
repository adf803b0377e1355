"""What a person calls a multi-kernel: its operation, and the shape and dtype of its principal tensor.

``layer_norm 4096×4096 bf16`` instead of ``multi_kernel_0``. The operation comes from the ATen operations that Inductor
wrote above the kernels; one that a person does not think in (``prims.prepare_softmax_online``, ``aten.view``) is
absorbed by the one that they do.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import NamedTuple

from mkexplorer.catalog.layouts import DTYPES
from mkexplorer.catalog.model import MultiKernel, Size, TensorArgument


class _Recipe(NamedTuple):
    """Operations that are all ``present`` make ``name``; they and the ``absorbed`` ones are not named again.

    ``unless`` names those that make something else of it.
    """

    name: str
    present: frozenset[str]
    absorbed: frozenset[str]
    unless: frozenset[str]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _recipe(name: str, present: str, absorbed: str = "", unless: str = "") -> _Recipe:
    return _Recipe(name, _words(present), _words(absorbed), _words(unless))


_SOFTMAX_PARTS = "prepare_softmax_online amax sub exp sum log div mul neg"
_NORM_PARTS = "var_mean sub rsqrt mul sum neg fma"

# The first that matches takes its operations away; what is left is matched again, then named as it is.
_RECIPES = (
    _recipe("cross_entropy backward", "nll_loss_backward _log_softmax_backward_data", f"{_SOFTMAX_PARTS} _log_softmax"),
    _recipe("cross_entropy backward", "nll_loss_backward _log_softmax", _SOFTMAX_PARTS),
    _recipe("cross_entropy", "nll_loss_forward _log_softmax", _SOFTMAX_PARTS),
    _recipe("log_softmax backward", "_log_softmax_backward_data", f"{_SOFTMAX_PARTS} _log_softmax"),
    _recipe("softmax backward", "_softmax_backward_data", f"{_SOFTMAX_PARTS} _softmax"),
    _recipe("log_softmax", "_log_softmax", _SOFTMAX_PARTS),
    _recipe("softmax", "_softmax", _SOFTMAX_PARTS),
    _recipe("softmax stats", "prepare_softmax_online", "amax sub exp sum"),
    _recipe("layer_norm backward", "native_layer_norm_backward", f"{_NORM_PARTS} native_layer_norm"),
    _recipe("layer_norm", "native_layer_norm", _NORM_PARTS),
    _recipe("group_norm backward", "native_group_norm_backward", f"{_NORM_PARTS} native_group_norm"),
    _recipe("group_norm", "native_group_norm", _NORM_PARTS),
    _recipe("batch_norm backward", "native_batch_norm_backward", f"{_NORM_PARTS} native_batch_norm"),
    _recipe("batch_norm", "_native_batch_norm_legit_functional", f"{_NORM_PARTS} add"),
    _recipe("batch_norm", "_native_batch_norm_legit", f"{_NORM_PARTS} add"),
    _recipe("rms_norm backward", "_fused_rms_norm_backward", f"{_NORM_PARTS} _fused_rms_norm pow mean"),
    _recipe("rms_norm", "_fused_rms_norm", f"{_NORM_PARTS} pow mean"),
    _recipe("rms_norm", "pow mean rsqrt", "add mul", unless="sub"),
    _recipe("rms_norm", "square mean rsqrt", "add mul", unless="sub"),
    _recipe("quantize", "abs amax div round", "clamp"),
    _recipe("gelu backward", "gelu_backward", "gelu mul exp erf tanh"),
    _recipe("silu backward", "silu_backward", "silu sigmoid mul"),
)

# They move or reinterpret data: worth a name only where nothing else happens.
_PLUMBING = _words(
    "view _unsafe_view reshape _reshape_alias permute transpose t expand squeeze unsqueeze clone contiguous alias"
    " detach slice select as_strided copy copy_ _to_copy convert_element_type realize full full_default empty"
)
_MOST_NAMED = 3
_KERNEL_NAME = re.compile(r"^(?:\w*?_)??triton_[a-z]{3}_fused_(?P<words>\w*?)_?\d*$")
# The last of several ways to write a dtype is the shortest; a boolean is none of a kernel's own types.
_DTYPES = {dtype: short for short, dtype in DTYPES.items() if dtype != "bool"}


def title(multi_kernel: MultiKernel) -> str:
    """The operation as a person calls it ('layer_norm', 'gelu backward + sum'); the name only where nothing else is."""
    kernel_names = tuple(sub.name for sub in multi_kernel.sub_kernels)
    return (
        _of_operations(multi_kernel.operations)
        or _of_source_nodes(multi_kernel.source_nodes)
        or _of_kernel_names(kernel_names)
        or multi_kernel.name
    )


def full_title(multi_kernel: MultiKernel) -> str:
    """'layer_norm 4096×4096 bf16'."""
    parts = (title(multi_kernel), shape_text(multi_kernel), dtype_text(multi_kernel))
    return " ".join(part for part in parts if part)


def principal_tensor(multi_kernel: MultiKernel) -> TensorArgument | None:
    """The largest tensor of the first call; the first of equals, which is an input or is changed in place."""
    if not multi_kernel.calls:
        return None
    tensors = [argument for argument in multi_kernel.calls[0].arguments if isinstance(argument, TensorArgument)]
    known = [tensor for tensor in tensors if tensor.shape is not None]
    return max(known, key=lambda tensor: _bulk(tensor.shape or ()), default=None)


def element_count(multi_kernel: MultiKernel) -> int:
    """Elements of the principal tensor, symbolic sizes taken as 1; 0 where no shape is known."""
    tensor = principal_tensor(multi_kernel)
    return _bulk(tensor.shape)[1] if tensor is not None and tensor.shape is not None else 0


def shape_text(multi_kernel: MultiKernel) -> str:
    """The principal tensor's shape ('4096×4096', 's0×768', 'scalar'); empty where it is not known."""
    tensor = principal_tensor(multi_kernel)
    if tensor is None or tensor.shape is None:
        return ""
    return shape_of(tensor.shape)


def shape_of(shape: tuple[Size, ...]) -> str:
    return "×".join(str(size) if isinstance(size, int) else _factor(size) for size in shape) or "scalar"


def dtype_text(multi_kernel: MultiKernel) -> str:
    """The principal tensor's dtype as short as in a kernel ('bf16'); empty where it is not known."""
    tensor = principal_tensor(multi_kernel)
    return dtype_of(tensor.dtype) if tensor is not None and tensor.dtype is not None else ""


def dtype_of(dtype: str) -> str:
    """``torch.bfloat16`` as ``bf16``, ``torch.float8_e4m3fn`` as ``f8e4m3fn``."""
    name = dtype.removeprefix("torch.")
    if name.startswith("float8_"):
        return "f8" + name.removeprefix("float8_")
    return _DTYPES.get(name, name)


def _bulk(shape: tuple[Size, ...]) -> tuple[int, int]:
    """To compare by: more symbolic sizes first (they stand for the large, varying ones), then more elements."""
    return sum(isinstance(size, str) for size in shape), math.prod(size for size in shape if isinstance(size, int))


def _factor(size: str) -> str:
    return size if size.isidentifier() else f"({size})"


@lru_cache(maxsize=4096)
def _of_operations(operations: tuple[str, ...]) -> str:
    names = list(dict.fromkeys(_short(operation) for operation in operations))
    working = [name for name in names if name not in _PLUMBING]
    return _joined(_named(working) if working else [_spoken(name) for name in names])


def _named(names: list[str]) -> list[str]:
    """Recipes' names and, for what no recipe takes, the operations' own; in the order of the operations."""
    places: dict[str, int] = {}
    left = dict.fromkeys(names)
    for recipe in _RECIPES:
        if recipe.present <= left.keys() and not recipe.unless & left.keys():
            places[recipe.name] = min(names.index(name) for name in recipe.present)
            left = {name: None for name in left if name not in recipe.present | recipe.absorbed}
    for name in left:
        places.setdefault(_spoken(name), names.index(name))
    return sorted(places, key=places.__getitem__)


def _short(operation: str) -> str:
    """'aten.add.Tensor' and 'aten.add' are both 'add'."""
    parts = operation.split(".")
    return parts[1] if len(parts) > 1 else operation


def _spoken(operation: str) -> str:
    """'_softmax_backward_data' as 'softmax backward', 'native_dropout' as 'dropout'."""
    name = operation.strip("_").removeprefix("native_")
    for ending in ("_backward_data", "_backward"):
        if name.endswith(ending):
            return f"{name.removesuffix(ending)} backward"
    return name.removesuffix("_forward")


def _joined(names: list[str]) -> str:
    if len(names) <= _MOST_NAMED:
        return " + ".join(names)
    return f"{' + '.join(names[:_MOST_NAMED])} + {len(names) - _MOST_NAMED} more"


def _of_source_nodes(nodes: tuple[str, ...]) -> str:
    return _joined(list(dict.fromkeys(re.sub(r"_\d+$", "", node) for node in nodes)))


def _of_kernel_names(names: tuple[str, ...]) -> str:
    for name in names:
        matched = _KERNEL_NAME.match(name)
        if matched and matched["words"]:
            return _spoken(matched["words"])
    return ""
