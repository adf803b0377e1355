"""What Triton compiled of a sub-kernel: one folder of its cache per configuration, and which configuration won.

``triton/<device>/<HASH>/<function>.{ttir,ttgir,…,json}`` names the function only; many kernel files may share it
(all are ``triton_`` up to torch 2.5). The kernel's file stands in the IR's first location, under the path that it
had on the machine that compiled, so base names decide.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property

from .errors import PlaceError
from .model import CompiledConfig, SubKernel
from .store import Store

TRITON_FOLDER = "triton"
# In the order in which they come out of each other; the last three are AMD's and Intel's.
STAGES = ("ttir", "ttgir", "llir", "ptx", "cubin", "amdgcn", "hsaco", "spv")
# Triton cuts file names at this length; torch up to 2.5 gives every kernel the second name.
_NAME_LENGTH = 150
_PLACEHOLDER = "triton_"
_LOCATED = ("ttir", "ttgir", "source")
_LOCATION = re.compile(rb'loc\("(?:[^"\n]*[/\\])?(c[a-z2-7]{51}\.py)":\d+')
_HEAD = 16 * 1024
_JSON_LIMIT = 1024 * 1024
_BLOCK_SIZE = re.compile(r"[A-Z][A-Z0-9_]*\Z")
_NOT_RECORDED = "not recorded"


@dataclass(frozen=True, slots=True)
class BestConfig:
    """One ``.best_config`` file: what the autotuner kept of its choice among the configurations of one kernel.

    ``triton_hash`` names the winner's folder (torch 2.8 and later), else it is None.
    """

    path: str
    triton_hash: str | None
    num_warps: int | None
    num_stages: int | None
    block_sizes: tuple[tuple[str, int], ...]


class ArtifactIndex:
    """The configurations in one place. The folders are listed once, at the first question; files are read as asked."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kernels_of_name: dict[str, dict[str, list[str]]] = {}

    def configs(self, sub_kernel: SubKernel) -> tuple[CompiledConfig, ...]:
        """Every compiled configuration of the sub-kernel, the winner first; empty where the place holds none.

        Processes of one machine, each with a device of its own, compile the same configuration into the same hash;
        that counts once.
        """
        names = dict.fromkeys((sub_kernel.name[:_NAME_LENGTH], _PLACEHOLDER))
        configs = [
            _read_config(self._store, folder, name, sub_kernel.kernel_file)
            for name in names
            for folder in self._folders(name, sub_kernel.kernel_file)
        ]
        judged = judge_winner(configs, self._best_configs(sub_kernel.kernel_file, configs))
        return tuple(sorted(judged, key=lambda config: (config.won is not True, config.folder)))

    def best_config_paths(self, sub_kernel: SubKernel, configs: Sequence[CompiledConfig]) -> tuple[str, ...]:
        """The ``.best_config`` files that may speak of this sub-kernel, whose configurations are ``configs``."""
        return tuple(each.path for each in self._best_configs(sub_kernel.kernel_file, configs))

    @cached_property
    def _all_folders(self) -> Sequence[str]:
        devices = (f"{TRITON_FOLDER}/{device}" for device in self._store.names(TRITON_FOLDER))
        return [f"{device}/{hash_name}" for device in devices for hash_name in self._store.names(device)]

    @cached_property
    def _all_hashes(self) -> Set[str]:
        return {_hash_of(folder) for folder in self._all_folders}

    @cached_property
    def _folders_of_name(self) -> Mapping[str, Mapping[str, str]]:
        """By a function's name and a hash; of the same hash for several devices, the first that has the function."""
        found: dict[str, dict[str, str]] = {}
        for folder in self._all_folders:
            for name in {_function_of(file) for file in self._store.names(folder)} - {""}:
                found.setdefault(name, {}).setdefault(_hash_of(folder), folder)
        return found

    def _folders(self, name: str, kernel_file: str) -> Sequence[str]:
        kernels = self._kernels_of_name.get(name)
        if kernels is None:
            kernels = {}
            for folder in self._folders_of_name.get(name, {}).values():
                kernels.setdefault(_kernel_file_of(self._store, folder, name), []).append(folder)
            self._kernels_of_name[name] = kernels
        return kernels.get(kernel_file, ()) if kernel_file else ()

    def _best_configs(self, kernel_file: str, configs: Sequence[CompiledConfig]) -> list[BestConfig]:
        """Those that may be this kernel's: torch keeps them beside its file, since 2.8 under names of its own.

        Then only the hash tells whose it is; one that no folder has may be anybody's on that shelf.
        """
        hashes = {config.hash for config in configs}
        shelf = kernel_file[1:3]
        stem = kernel_file.removesuffix(".py")
        own = {stem, hashlib.sha256(f"{kernel_file}:".encode()).hexdigest()}
        found = []
        for name in self._store.names(shelf) if shelf else ():
            if name.endswith(".best_config"):
                best = _read_best_config(self._store, f"{shelf}/{name}")
                if best.triton_hash is None:
                    may_be = name.removesuffix(".best_config") in own
                else:
                    may_be = best.triton_hash in hashes or best.triton_hash not in self._all_hashes
                if may_be:
                    found.append(best)
        return found


def judge_winner(configs: Sequence[CompiledConfig], best: Sequence[BestConfig]) -> list[CompiledConfig]:
    """The configurations with ``won`` told, as far as the cache tells it; never a guess.

    ``best`` are the files that may speak of this kernel; one that names a hash which is not here may still be
    of another kernel, so it takes away a certainty and gives none.
    """
    by_hash = {each.triton_hash: each for each in best if any(each.triton_hash == config.hash for config in configs)}
    if len(by_hash) == 1:
        (winner,) = by_hash.values()
        return [_judged(config, config.hash == winner.triton_hash, winner) for config in configs]
    if len(by_hash) > 1:
        return [replace(config, won_reason="several .best_config files disagree") for config in configs]
    absent = [each for each in best if each.triton_hash is not None]
    if len(configs) == 1 and absent:
        reason = f"only one configuration is here, and {absent[0].path} names one that is not"
        return [replace(configs[0], won_reason=reason)]
    if len(configs) == 1:
        return [replace(configs[0], won=True, won_reason="only one configuration was compiled")]
    unnamed = [each for each in best if each.triton_hash is None]
    if len(unnamed) == 1:
        alike = [config for config in configs if _is_like(config, unnamed[0])]
        if len(alike) == 1:
            return [_judged(config, config is alike[0], unnamed[0]) for config in configs]
    return [replace(config, won_reason=_NOT_RECORDED) for config in configs]


def _judged(config: CompiledConfig, won: bool, best: BestConfig) -> CompiledConfig:
    reason = f"recorded in {best.path}"
    return replace(config, won=won, won_reason=reason, block_sizes=best.block_sizes if won else ())


def _is_like(config: CompiledConfig, best: BestConfig) -> bool:
    return (config.num_warps, config.num_stages) == (best.num_warps, best.num_stages) != (None, None)


def _hash_of(folder: str) -> str:
    return folder.rpartition("/")[2]


def _function_of(file: str) -> str:
    """The function that a file of a Triton folder belongs to; '' for launchers and the like."""
    stem, _, suffix = file.rpartition(".")
    return stem if suffix in STAGES else ""


def _kernel_file_of(store: Store, folder: str, name: str) -> str:
    """Base name of the file that the IR came from, '' where it does not tell."""
    for suffix in _LOCATED:
        path = f"{folder}/{name}.{suffix}"
        if match := _LOCATION.search(_head(store, path)):
            return match[1].decode()
    return ""


def _head(store: Store, path: str) -> bytes:
    try:
        return store.read_head(path, _HEAD)
    except PlaceError:
        return b""  # not there; or unreadable, as reading that stage will say


def _read_config(store: Store, folder: str, name: str, kernel_file: str) -> CompiledConfig:
    data = _read_json(store, f"{folder}/{name}.json")
    files = set(store.names(folder))
    return CompiledConfig(
        hash=_hash_of(folder),
        kernel_file=kernel_file,
        folder=folder,
        stages=tuple((stage, f"{folder}/{name}.{stage}") for stage in STAGES if f"{name}.{stage}" in files),
        block_sizes=(),
        num_warps=_number(data.get("num_warps")),
        num_stages=_number(data.get("num_stages")),
        shared_bytes=_number(data.get("shared")),
        target=_target(data.get("target")),
        triton_version=_text(data.get("triton_version")),
        won=None,
    )


def _read_best_config(store: Store, path: str) -> BestConfig:
    data = _read_json(store, path)
    sizes = ((key, _number(value)) for key, value in data.items() if _BLOCK_SIZE.match(key))
    return BestConfig(
        path=path,
        triton_hash=_text(data.get("triton_cache_hash")),
        num_warps=_number(data.get("num_warps")),
        num_stages=_number(data.get("num_stages")),
        block_sizes=tuple((key, value) for key, value in sizes if value is not None),
    )


def _read_json(store: Store, path: str) -> dict[str, object]:
    """The object in a JSON file; empty, so that everything in it reads as unknown, where there is none."""
    try:
        data = json.loads(store.read_bytes(path, limit=_JSON_LIMIT))
    except (PlaceError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _target(value: object) -> str | None:
    """'cuda:90'; triton 2.3 writes a list, later ones an object."""
    if isinstance(value, dict):
        value = [value.get("backend"), value.get("arch")]
    return ":".join(str(part) for part in value[:2]) if isinstance(value, list) else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
