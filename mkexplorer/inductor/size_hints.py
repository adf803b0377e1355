"""What stands where Inductor looks up the class of its size-hint multi-kernels (torch 2.10 and later).

They choose by how near a call's shapes are to those that each sub-kernel was tuned for, which costs no measurement and
is kept nowhere. Whether that was right is measured when `mkexplorer.verify` is called, or at the first call of a shape
where everything is to be measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch._inductor.codegen.multi_kernel import SizeHintMultiKernelCall as StockCall

from . import gpu, measuring, session, verification
from .call import MultiKernelCall
from .session import How
from .settings import Measure, settings
from .straight import Shape


class SizeHintMultiKernelCall(MultiKernelCall, StockCall):  # type: ignore[misc]  # mypy does not follow torch
    """Torch's class, whose calls for a shape that was there before go straight to the launcher."""

    def load_cache(self) -> None:
        """There is no pick file for choices by shape."""

    def run(self, *arguments: Any, **keywords: Any) -> None:
        self._run_by_shape(arguments, keywords)

    def verify(self, shape: Shape, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> bool:
        """Measures what was chosen for ``shape`` on these arguments; whether another sub-kernel is used from now on."""
        index = self._get_cached_shape_choice(shape)
        self._measurement = measuring.measure(self._trial(arguments, keywords), index)
        choice = self._measurement.choice
        is_kept = choice.doubt and index not in choice.problems
        self._picked = index if is_kept else choice.index
        self._cache_shape_choice(shape, self._picked)
        self._by_shape.forget(shape)
        self._note_shape(shape, self._picked, How.VERIFIED)
        return bool(self._picked != index)

    def _select_kernel_by_shape(self, *arguments: Any, **keywords: Any) -> None:
        shape = self._get_shape_cache_key(*arguments, **keywords)
        super()._select_kernel_by_shape(*arguments, **keywords)
        may_verify = measuring.can_race(self.kernels) and not self._is_deterministic
        if may_verify and settings.measure is Measure.ALWAYS and not gpu.is_capturing():
            with session.told("a choice by shape is not verified"):
                self.verify(shape, arguments, keywords)
                return
        self._measurement = None
        self._note_shape(shape, self._get_cached_shape_choice(shape), How.DISTANCE)
        if may_verify:
            with session.told("a choice by shape cannot be verified later"):
                verification.remember(self, shape, arguments, keywords)
