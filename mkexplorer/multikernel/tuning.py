"""Which of a kernel's configurations is the fastest, found by the race and kept as Inductor keeps it."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mkexplorer.race.racing import Contestant

from .binding import Launch
from .choosing import Choice, among_able, choose, is_out_of_memory
from .clones import Clones
from .environment import is_cache_disabled
from .measuring import device_of, measure
from .values import encoded

log = logging.getLogger("mkexplorer.multikernel")

Config = Mapping[str, int]


def fastest_config(name: str, launchers: Sequence[Launch], clones: Clones, grid: object) -> Choice:
    """The fastest of those that can run. Raises the first one's error if none can."""
    device = device_of(clones.arguments)
    problems: dict[int, Exception] = {}
    contestants: dict[int, Contestant] = {}
    for index, launcher in enumerate(launchers):
        contestant = Contestant(f"{name}#{index}", partial(launcher, *clones.arguments, grid=grid), clones.restore)
        try:
            try_out(contestant)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            problems[index] = error
            log.debug("%s: configuration %d cannot run: %s", name, index, error)
        else:
            contestants[index] = contestant
    if not contestants:
        raise problems[0]
    runners = dict(enumerate(contestants))
    if len(runners) == 1:
        return among_able(Choice(runners[0], (None,) * len(launchers)), problems)
    outcome = measure(list(contestants.values()), None, device)
    return among_able(choose(outcome, runners, len(launchers), old=None), problems)


def try_out(contestant: Contestant) -> None:
    """One launch, which compiles what has to be compiled; raises what the kernel raises."""
    if contestant.restore is not None:
        contestant.restore()
    contestant.launch()


def remembered_config(path: Path | None, configs: Sequence[Config]) -> Config | None:
    """The configuration that the file tells, if it was chosen among these very ones."""
    if path is None or is_cache_disabled():
        return None
    try:
        found: Any = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or found.get("configs_hash") != _hash(configs):
        return None
    return next((each for each in configs if encoded(each).items() <= found.items()), None)


def remember_config(path: Path | None, configs: Sequence[Config], choice: Choice) -> None:
    if path is None or is_cache_disabled():
        return
    config, timing = configs[choice.index], choice.times[choice.index]
    taken_ms = timing.median_us / 1e3 if timing else None
    kept = {**encoded(config), "configs_hash": _hash(configs), "found_by_coordesc": False, "time_taken_ms": taken_ms}
    new = path.with_name(f".{path.name}.{os.getpid()}.{id(configs)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(json.dumps(kept))
        os.replace(new, path)
    except OSError as error:
        log.warning("%s: the configuration that won is not kept: %s", path, error.strerror)


def _hash(configs: Sequence[Config]) -> str:
    return hashlib.sha256(json.dumps([sorted(encoded(each).items()) for each in configs]).encode()).hexdigest()
