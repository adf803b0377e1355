"""Which of its own configurations a sub-kernel runs with: the one that was recorded, else the fastest of its own.

As Inductor has it, but that configurations are raced on device time. A ``.best_config`` beside the kernel's file is
found by torch itself, while the file is loaded; it checks that the configurations are still the same.
"""

from __future__ import annotations

import json
from typing import Any, Callable, NamedTuple, Sequence

from mkexplorer.race.racing import Contestant, Outcome, Settings

# Two configurations that this does not tell apart are as good as each other.
_SETTINGS = Settings(gpu_budget_us=4_000.0, hot_rounds=2)
# As torch has it where the kernel does not say.
_SPILLS_ALLOWED = 16


class Compiled(NamedTuple):
    """``launchers``, one per configuration that comes into question. Nothing is to be tuned if ``is_settled``."""

    launchers: list[Any]
    is_settled: bool


def compile_kernel(kernel: Any, best_configs: Sequence[str], recorded: dict[str, int] | None) -> Compiled:
    """Raises whatever torch and triton raise where no configuration can be compiled.

    ``best_configs`` are the texts of the files that lay beside the kernel while it was loaded. ``recorded`` is the
    winner by some other record; if it is among several configurations, no other one is compiled.
    """
    from_file = as_dict(kernel.configs[0]) if _is_from_file(kernel, best_configs) else None
    if recorded and not from_file:
        kernel.configs = [each for each in kernel.configs if as_dict(each) == recorded] or kernel.configs
    kernel.precompile()
    # Torch may have added one with smaller blocks, which is not to be raced against the winner again.
    for winner in filter(None, (from_file, recorded)):
        for launcher in kernel.launchers:
            if as_dict(launcher.config) == winner:
                return Compiled([launcher], is_settled=True)
    launchers = _usable(kernel)
    return Compiled(launchers, is_settled=len(launchers) == 1 and not _wants_descent(kernel, launchers[0]))


def _is_from_file(kernel: Any, best_configs: Sequence[str]) -> bool:
    """Whether torch found one of the files to be this kernel's; it tells so from 2.8 on."""
    told = getattr(kernel, "autotune_cache_info", None)
    if told is not None:
        return "best_config" in told
    return len(kernel.configs) == 1 and as_dict(kernel.configs[0]) in [_in_file(text) for text in best_configs]


def _in_file(text: str) -> dict[str, int]:
    """What a ``.best_config`` file says of a configuration; nothing if it is none."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: found[name] for name in found if name.isupper() or name in ("num_warps", "num_stages")}


def as_dict(configuration: Any) -> dict[str, int]:
    """Block sizes, warps and stages, as ``.best_config`` files and records name them."""
    return {
        **configuration.kwargs,
        "num_warps": configuration.num_warps,
        "num_stages": configuration.num_stages,
    }


def _usable(kernel: Any) -> list[Any]:
    """Torch takes no configuration that spills registers, unless all do."""
    most = kernel.inductor_meta.get("spill_threshold", _SPILLS_ALLOWED)
    few = [each for each in kernel.launchers if kernel.custom_kernel or not each.n_spills or each.n_spills <= most]
    return few or kernel.launchers[:1]


def _wants_descent(kernel: Any, launcher: Any) -> bool:
    wants = kernel.inductor_meta.get("coordinate_descent_tuning", False)
    return bool(wants) and not getattr(launcher.config, "found_by_coordesc", False)


def tuned(
    kernel: Any,
    launchers: Sequence[Any],
    contestants: Sequence[Contestant],
    arguments: Sequence[Any],
    run_race: Callable[[Sequence[Contestant], Settings], Outcome],
) -> Any:
    """The launcher with the lowest median; ``contestants`` launch them with ``arguments``, in the same order."""
    best = launchers[0]
    if len(launchers) > 1:
        outcome = run_race(contestants, _SETTINGS)
        medians = [each.median_us if each else float("inf") for each in outcome.cold_summaries]
        best = launchers[medians.index(min(medians))]
    # Torch's own search from there, where the code was compiled for that.
    return kernel.coordinate_descent_tuning(best, *arguments) if _wants_descent(kernel, best) else best
