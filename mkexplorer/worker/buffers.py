"""The memory that the sub-kernels of one multi-kernel share while they are measured."""

from __future__ import annotations

from typing import Any, Callable, Sequence

from . import agreement, tensors
from .failures import JobFailed
from .tensors import IN_OUT, OUTPUT, SCRATCH, Spec, TensorSpec

# Outputs hold this before a run whose outputs are compared, so that what a kernel leaves out is seen; any dtype can.
_UNWRITTEN = 85


class Buffers:
    """Arguments as `tensors.build` makes them, and what is needed to put them back after a launch."""

    def __init__(self, specs: Sequence[Spec], device: Any, seed: int, *, positive: bool = False) -> None:
        self._specs = specs
        self._values = tensors.build(specs, device, seed, positive=positive)
        self._flat = {
            index: self._values[index].as_strided((spec.extent,), (1,))
            for index, spec in enumerate(specs)
            if isinstance(spec, TensorSpec) and spec.role != tensors.INPUT and spec.extent
        }
        self._originals = {index: flat.clone() for index, flat in self._flat.items() if self._role(index) == IN_OUT}
        scratch = [flat for index, flat in self._flat.items() if self._role(index) == SCRATCH]
        self._undo = [(self._flat[index], original) for index, original in self._originals.items()]
        self._scratch = scratch

    def _role(self, index: int) -> str:
        spec = self._specs[index]
        return spec.role if isinstance(spec, TensorSpec) else ""

    def passed(self, takes: Sequence[int]) -> list[Any]:
        """The arguments of one sub-kernel."""
        return [self._values[index] for index in takes]

    def restorer(self) -> Callable[[], object] | None:
        """Queues what undoes a launch; None where nothing has to be undone."""
        return self.restore if self._undo or self._scratch else None

    def restore(self) -> None:
        for flat, original in self._undo:
            flat.copy_(original)
        for flat in self._scratch:
            flat.zero_()

    def forget_outputs(self) -> None:
        """Before a run whose outputs are looked at."""
        self.restore()
        for index, flat in self._flat.items():
            if self._role(index) == OUTPUT:
                flat.fill_(_UNWRITTEN)

    def outputs(self, indices: Sequence[int]) -> list[tuple[str, Any]]:
        """Of the arguments ``indices`` those that kernels write, by name."""
        found = []
        for index in sorted(set(indices)):
            spec = self._specs[index]
            if isinstance(spec, TensorSpec) and spec.role in (OUTPUT, IN_OUT):
                found.append((spec.name, self._values[index]))
        return found


def check_room(specs: Sequence[Spec], memory: str, allowed: int | None, free: int | None) -> None:
    """Raises `JobFailed` where a measurement would need more bytes of ``memory`` than there are, as far as known."""
    needed = needed_bytes(specs)
    for there_are, limit in (("allowed", allowed), ("free", free)):
        if limit is not None and needed > limit:
            raise JobFailed(f"its arguments need {_size(needed)} of {memory}, and {_size(limit)} are {there_are}")


def _size(count: int) -> str:
    for unit, shift in (("GiB", 30), ("MiB", 20)):
        if count >= 1 << shift:
            return f"{count / (1 << shift):.1f} {unit}"
    return f"{count / 1024:.1f} KiB"


def needed_bytes(specs: Sequence[Spec]) -> int:
    """What a measurement with these arguments allocates at most: them, copies to restore, and outputs to compare."""
    copied = [spec for spec in specs if isinstance(spec, TensorSpec) and spec.role in (OUTPUT, IN_OUT)]
    restored = [spec for spec in copied if spec.role == IN_OUT]
    compared = min(max((spec.elements for spec in copied), default=0), agreement.ONE_GO)
    return (
        tensors.needed_bytes(specs)
        + tensors.needed_bytes(copied)
        + tensors.needed_bytes(restored)
        + compared * agreement.BYTES_OF_AN_ELEMENT
    )
