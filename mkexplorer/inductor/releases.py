"""Which releases of torch the run time is made for, and what it takes the place of in each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Release = tuple[int, int]
_RELEASE = re.compile(r"(\d{1,4})\.(\d{1,4})")
# What our classes call of torch's; a build that lacks one of these is not what its version says.
_NEEDED = ("benchmark_sub_kernels", "cache_file_path", "load_cache", "record_choice", "run", "_get_filtered_args")


@dataclass(frozen=True)
class Adapter:
    """For the releases from ``first`` to ``last``. ``classes``: by torch's name, the module here that has our own.

    ``is_for_cpp``: whether C++ wrappers can have multi-kernels without ``triton.autotune_at_compile_time``. Where these
    compile their kernels only when they run, they cannot.
    """

    first: Release
    last: Release
    classes: Mapping[str, str]
    is_for_cpp: bool = True


_TIMED = {"MultiKernelCall": "call"}
ADAPTERS = (
    # 2.9 chooses among templates for each shape inside its one class; from 2.10 on there is a class for that.
    Adapter((2, 9), (2, 9), _TIMED),
    Adapter((2, 10), (2, 11), {**_TIMED, "SizeHintMultiKernelCall": "size_hints"}),
    Adapter((2, 12), (2, 13), {**_TIMED, "SizeHintMultiKernelCall": "size_hints"}, is_for_cpp=False),
)
SUPPORTED = f"{'.'.join(map(str, ADAPTERS[0].first))} to {'.'.join(map(str, ADAPTERS[-1].last))}"


def adapter_of(version: str) -> Adapter | None:
    """For '2.11.0+cu130' and the like; None where nobody has tried it with this release."""
    found = _RELEASE.match(version)
    release = (int(found[1]), int(found[2])) if found else (0, 0)
    return next((each for each in ADAPTERS if each.first <= release <= each.last), None)


def missing_from(stock: Any, adapter: Adapter) -> str:
    """The first name that ``stock``, torch's module of multi-kernels, should have and has not; '' where it has all."""
    for name in adapter.classes:
        cls = getattr(stock, name, None)
        if cls is None:
            return name
        for needed in _NEEDED:
            if not hasattr(cls, needed):
                return f"{name}.{needed}"
    return ""
