"""Where each torch release keeps the pick of a multi-kernel, as pure functions of what it puts into the file's name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from mkexplorer.catalog.definitions import code_hash, literal_source
from mkexplorer.catalog.model import Kind, MultiKernel, MultiKernelKind

from .interpreter import Part

Release = tuple[int, int]
_NEWEST: Release = (10_000, 0)
_RELEASE = re.compile(r"(\d{1,4})\.(\d{1,4})")


class Rule(StrEnum):
    """Releases 2.3 and 2.4, 2.5, 2.6, and 2.7 or later."""

    RUN_MODULE = "beside the module that runs the multi-kernel"
    RAW_KEY = "the first sub-kernel's key"
    HASHED_KEYS = "the hash of all keys"
    KEYS_AND_META = "the hash of all keys, size hints and metadata"


@dataclass(frozen=True, slots=True)
class Releases:
    """From ``first`` to ``last``, both inside; ``text`` as the catalog says it."""

    first: Release
    last: Release
    text: str

    def __contains__(self, release: Release) -> bool:
        return self.first <= release <= self.last


def writers(written_by: str) -> Releases | None:
    """The releases that `Wrapper.written_by` names; None where it names none."""
    found = [(int(major), int(minor)) for major, minor in _RELEASE.findall(written_by)]
    if not found:
        return None
    return Releases(found[0], _NEWEST if written_by.endswith("later") else found[-1], written_by)


def release_of(version: str) -> Release | None:
    """'2.13.0+cu130' as (2, 13)."""
    found = _RELEASE.match(version)
    return (int(found[1]), int(found[2])) if found else None


def rule_of(release: Release) -> Rule:
    if release < (2, 5):
        return Rule.RUN_MODULE
    if release < (2, 6):
        return Rule.RAW_KEY
    return Rule.HASHED_KEYS if release < (2, 7) else Rule.KEYS_AND_META


def has_no_file(multi_kernel: MultiKernel) -> bool:
    """Multi-kernels of templates choose per shape and keep the choice in memory (torch 2.9 and later)."""
    if multi_kernel.kind is MultiKernelKind.SIZE_HINT:
        return True
    return all(sub_kernel.kind is Kind.TEMPLATE for sub_kernel in multi_kernel.sub_kernels)


def pick_path(rule: Rule, parts: Sequence[Part]) -> str:
    """Path of the pick file, relative to the cache, by any rule but `Rule.RUN_MODULE`."""
    if rule is Rule.RAW_KEY:
        return _on_shelf(parts[0].cache_key)
    if rule is Rule.HASHED_KEYS:
        return _on_shelf(code_hash(",".join(part.cache_key for part in parts)))
    return _on_shelf(code_hash(",".join(f"{part.cache_key}{part.size_hints}{part.triton_meta}" for part in parts)))


def run_module_path(definition: str) -> str | None:
    """By `Rule.RUN_MODULE`: beside the module that a definition holds between triple quotes; None if it holds none."""
    begin = definition.find("'''")
    end = definition.rfind("'''")
    if begin < 0 or end == begin:
        return None
    return _on_shelf(code_hash(literal_source(definition[begin + 3 : end])))


def _on_shelf(key: str) -> str:
    return f"{key[1:3]}/{key}.picked_kernel"
