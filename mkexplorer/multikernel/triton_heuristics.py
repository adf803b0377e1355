"""The decorators of generated sub-kernels. Their names, as in Inductor's kernels, say what kind of kernel each is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mkexplorer.catalog.model import Kind

from .meta import KernelMeta

if TYPE_CHECKING:
    from .launching import Kernel

Decorator = Callable[[Any], "Kernel"]


def reduction(**written: Any) -> Decorator:
    """A kernel that loops over the range it reduces."""
    return _decorator(Kind.LOOPED, written)


def persistent_reduction(**written: Any) -> Decorator:
    """A kernel that holds all of the range it reduces at once."""
    return _decorator(Kind.PERSISTENT, written)


def cooperative_reduction(**written: Any) -> Decorator:
    """A kernel of which several blocks share one reduction."""
    return _decorator(Kind.COOPERATIVE, written)


def template(**written: Any) -> Decorator:
    """A kernel out of a template, such as a matrix product."""
    return _decorator(Kind.TEMPLATE, written)


def pointwise(**written: Any) -> Decorator:
    """Any other kernel."""
    return _decorator(Kind.OTHER, written)


NAMES = {
    Kind.LOOPED: reduction.__name__,
    Kind.PERSISTENT: persistent_reduction.__name__,
    Kind.COOPERATIVE: cooperative_reduction.__name__,
    Kind.TEMPLATE: template.__name__,
    Kind.OTHER: pointwise.__name__,
}


def _decorator(kind: Kind, written: Mapping[str, Any]) -> Decorator:
    triton_meta, inductor_meta = written["triton_meta"], written["inductor_meta"]
    meta = KernelMeta(
        name=inductor_meta["kernel_name"],
        kind=kind,
        size_hints=written.get("size_hints", {}),
        reduction_hint=written.get("reduction_hint", ""),
        signature=triton_meta["signature"],
        constants=triton_meta.get("constants", {}),
        configs=tuple(inductor_meta.get("configs", ({},))),
        mutated=tuple(inductor_meta.get("mutated_arg_names", ())),
        outputs=tuple(inductor_meta.get("output_arg_names", ())),
        zeroed=tuple(inductor_meta.get("reset_to_zero_arg_names", ())),
        grid=tuple(inductor_meta.get("grid", ())),
        device=triton_meta.get("device", {}),
        sizes=inductor_meta.get("sizes", ""),
        problem=inductor_meta.get("problem", ""),
    )

    def decorate(function: Any) -> Kernel:
        from .launching import Kernel

        return Kernel(function, meta)

    return decorate
