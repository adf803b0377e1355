"""What a program, or the environment it was started in, says about all of its multi-kernels.

=========================================== ========================== ==============================================
environment                                 `config`                   meaning
=========================================== ========================== ==============================================
``MKEXPLORER_CACHE_DIR``                    ``cache_dir``              where generated modules and picks are kept, and
                                                                       what ``mkexplorer`` opens by itself
``MKEXPLORER_DISABLE_MULTI_KERNEL_CACHE=1`` ``disable_cache``          picks are neither read nor written
``MKEXPLORER_SUB_KERNEL``                   ``sub_kernel``             this sub-kernel, without measuring: ``1`` for
                                                                       all, or ``softmax=1,layer_norm=0``
``MKEXPLORER_METRICS``                      ``metrics``                CSV file that gets a row for each sub-kernel
                                                                       of each choice
``MKEXPLORER_SHARE_RANKS=1``                ``share_ranks``            all ranks take the choice of the lowest one;
                                                                       for jobs whose ranks all run the same kernels
=========================================== ========================== ==============================================

What a program sets in `config` holds against the environment. A multi-kernel reads both when it is made, and
``metrics`` when it has chosen.
"""

from __future__ import annotations

import atexit
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mkexplorer.race.racing import Contestant, Outcome

from .errors import MultiKernelError

# Given the contestants and which of them is the old pick.
Measure = Callable[[Sequence[Contestant], int | None], Outcome]

_DISABLE_CACHE = "MKEXPLORER_DISABLE_MULTI_KERNEL_CACHE"
_SUB_KERNEL = "MKEXPLORER_SUB_KERNEL"
_METRICS = "MKEXPLORER_METRICS"
_SHARE_RANKS = "MKEXPLORER_SHARE_RANKS"


@dataclass
class Config:
    """None stands for what the environment says.

    ``sub_kernel`` is one index for all multi-kernels, or an index for each of some names. ``measure`` takes the place
    of the race, for tests; of its contestants those whose configurations are tuned are called ``name#0``, ``name#1`` ….
    ``wait_s`` is how long a process waits for another one, or a rank for the lowest one, before it measures itself.
    """

    cache_dir: str | os.PathLike[str] | None = None
    disable_cache: bool | None = None
    sub_kernel: int | Mapping[str, int] | None = None
    metrics: str | os.PathLike[str] | None = None
    share_ranks: bool | None = None
    measure: Measure | None = None
    wait_s: float = 120.0


log = logging.getLogger("mkexplorer.multikernel")

config = Config()


class SettingError(MultiKernelError, ValueError):
    """The environment or `config` asks for something that cannot be."""


def is_cache_disabled() -> bool:
    return config.disable_cache if config.disable_cache is not None else _switch(_DISABLE_CACHE)


def shares_ranks() -> bool:
    return config.share_ranks if config.share_ranks is not None else _switch(_SHARE_RANKS)


def metrics_file() -> Path | None:
    said = config.metrics if config.metrics is not None else os.environ.get(_METRICS)
    return Path(said) if said else None


def forced_index(names: Sequence[str], count: int) -> int | None:
    """The sub-kernel that a multi-kernel called any of ``names`` has to use; None where it may choose.

    Raises `SettingError` where that is none of its ``count`` sub-kernels, or nothing that can be understood.
    """
    said = config.sub_kernel
    where = "config.sub_kernel"
    if said is None:
        where, text = _SUB_KERNEL, os.environ.get(_SUB_KERNEL, "")
        said = _read_forced(text) if text else None
    if isinstance(said, Mapping):
        _mentions.note(where, said, names)
        said = next((said[name] for name in names if name in said), None)
    if said is None:
        return None
    if isinstance(said, bool) or not isinstance(said, int):
        raise SettingError(f"{where}: {said!r} is no index of a sub-kernel", "Give a whole number.")
    if not 0 <= said < count:
        raise SettingError(f"{where}: {names[0]} has no sub-kernel {said}", f"It has 0 to {count - 1}.")
    return said


class _Mentions:
    """Which names of multi-kernels were said, and which there were: that one is misspelt shows when a program ends."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}
        self._met: dict[str, None] = {}

    def note(self, where: str, said: Iterable[str], met: Iterable[str]) -> None:
        if not self._met:
            atexit.register(self.tell)
        self._said.update(dict.fromkeys(said, where))
        self._met.update(dict.fromkeys(met))

    def tell(self) -> None:
        """Warns of names that no multi-kernel had."""
        for name, where in self._said.items():
            if name not in self._met:
                log.warning(
                    "%s: no multi-kernel of this program is called %r; there were %s", where, name, ", ".join(self._met)
                )


_mentions = _Mentions()


def _read_forced(text: str) -> int | Mapping[str, int]:
    advice = "Give one index for all, as in 1, or names with an index each, as in softmax=1,layer_norm=0."
    try:
        if "=" not in text:
            return int(text)
        pairs = [part.partition("=") for part in text.split(",")]
        return {name.strip(): int(index) for name, _, index in pairs}
    except ValueError:
        raise SettingError(f"{_SUB_KERNEL}={text!r} cannot be understood", advice) from None


def _switch(name: str) -> bool:
    text = os.environ.get(name, "")
    if text not in ("", "0", "1"):
        raise SettingError(f"{name}={text!r} is neither 0 nor 1", "Set it to 1, or unset it.")
    return text == "1"
