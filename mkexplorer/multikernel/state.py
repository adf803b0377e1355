"""What one generated module defines, under which names."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from .kernel import MultiKernel, SubKernelSpec
from .sources import kernel_text, run_module_text


@dataclass
class MultiKernelState:
    """Gives names to what a generated module defines, once each; keep one per module.

    What is the same down to the last letter of its source gets the name that it has; anything that differs, be it an
    eviction policy, gets a name of its own. ``taken`` are the names that the module has already.
    """

    taken: Collection[str] = ()
    _sub_kernels: dict[str, str] = field(default_factory=dict)
    _multi_kernels: dict[str, str] = field(default_factory=dict)
    _defined: dict[str, MultiKernel] = field(default_factory=dict)

    def define(self, multi_kernel: MultiKernel) -> str:
        """The name of the multi-kernel, 'multi_kernel_0' for the first one of the module."""
        # The text holds the hashes of the sub-kernels' sources, in their order.
        text = run_module_text(multi_kernel)
        name = self._multi_kernels.setdefault(text, f"multi_kernel_{len(self._multi_kernels)}")
        self._defined.setdefault(name, multi_kernel)
        return name

    def sub_kernel_name(self, sub_kernel: SubKernelSpec) -> str:
        """The module's name of the sub-kernel: its own, or where that is another thing's, with a number behind.

        The multi-kernels' names count if they are defined before.
        """
        text = kernel_text(sub_kernel)
        if text in self._sub_kernels:
            return self._sub_kernels[text]
        taken = {*self.taken, *self._defined, *self._sub_kernels.values()}
        name, number = sub_kernel.name, 0
        while name in taken:
            number += 1
            name = f"{sub_kernel.name}_{number}"
        self._sub_kernels[text] = name
        return name

    @property
    def defined(self) -> tuple[tuple[str, MultiKernel], ...]:
        """All multi-kernels with their names, in the order of their definition."""
        return tuple(self._defined.items())
