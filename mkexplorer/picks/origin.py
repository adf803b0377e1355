"""Whether an interpreter can be the one that wrote a cache: what the cache's files say for it and against it.

A computed place is right only for the torch and triton that computed it, so a cache that others wrote must be told
from their own. A pick file's name is a hash of all that counts, so a file that stands at the computed place is proof.
"""

from __future__ import annotations

from enum import Enum, auto
from functools import cached_property

from mkexplorer.catalog.artifacts import ArtifactIndex
from mkexplorer.catalog.model import MultiKernel
from mkexplorer.catalog.store import Store

from .files import evidence_paths
from .interpreter import Identity
from .orphans import pick_paths
from .remembered import Computed
from .rules import Release, Releases, release_of

# From here on the names of the files that keep the autotuner's results depend on torch.
_TUNED_BY: Release = (2, 8)


class Standing(Enum):
    """What speaks for an interpreter: files that only it can have written, nothing, or less than nothing."""

    PROVEN = auto()
    UNOPPOSED = auto()
    REFUTED = auto()


class CacheFiles:
    """The files of one cache; what is asked again and again is listed once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._artifacts = ArtifactIndex(store)
        self._names: dict[str, frozenset[str]] = {}

    @cached_property
    def picks(self) -> frozenset[str]:
        """Paths of the pick files, of whatever else stands in the place of one, and of those that left a history."""
        return frozenset((*pick_paths(self._store), *evidence_paths(self._store)))

    def triton_versions(self, multi_kernel: MultiKernel) -> set[str]:
        """The versions that compiled its sub-kernels (triton 3.3 and later leave theirs)."""
        configs = (config for sub_kernel in multi_kernel.sub_kernels for config in self._artifacts.configs(sub_kernel))
        return {config.triton_version for config in configs if config.triton_version}

    def is_tuned(self, multi_kernel: MultiKernel) -> bool:
        """Whether any torch has left the winner among several configurations of one of its sub-kernels."""
        every = (self._artifacts.configs(sub_kernel) for sub_kernel in multi_kernel.sub_kernels)
        return any(len(configs) > 1 and any(config.won for config in configs) for configs in every)

    def is_tuned_as(self, multi_kernel: MultiKernel, computed: Computed) -> bool:
        """Whether that torch has, which computed its names for such files."""
        pairs = zip(multi_kernel.sub_kernels, computed.best_configs, strict=True)
        return any(name in self._of_shelf(sub_kernel.kernel_file[1:3]) for sub_kernel, name in pairs)

    def _of_shelf(self, shelf: str) -> frozenset[str]:
        if shelf not in self._names:
            self._names[shelf] = frozenset(self._store.names(shelf))
        return self._names[shelf]


def judge(multi_kernel: MultiKernel, computed: Computed, identity: Identity, files: CacheFiles) -> tuple[Standing, str]:
    """Whose the files of this multi-kernel are, with the reason where they are somebody else's."""
    if computed.path in files.picks:
        return Standing.PROVEN, ""
    if other_triton := _other_triton(multi_kernel, computed, identity, files):
        return Standing.REFUTED, another(identity, other_triton)
    release = release_of(identity.torch or "")
    if release is None or release < _TUNED_BY or not files.is_tuned(multi_kernel):
        return Standing.UNOPPOSED, ""
    if files.is_tuned_as(multi_kernel, computed):
        return Standing.PROVEN, ""
    return Standing.REFUTED, another(identity, "another build of torch")


def _other_triton(multi_kernel: MultiKernel, computed: Computed, identity: Identity, files: CacheFiles) -> str:
    """The triton that compiled the kernels, if it can be told that it was not this one; else ''."""
    if all(written == own is not None for written, own in computed.backends):
        return ""
    # These hashes cover triton's binaries too: for another Python they differ though the version be the same.
    if versions := files.triton_versions(multi_kernel):
        return "" if identity.triton in versions else f"triton {' or '.join(sorted(versions))}"
    return "another build of triton" if any(written for written, _ in computed.backends) else ""


def form_objection(
    releases: Releases | None, identity: Identity, multi_kernel: MultiKernel, files: CacheFiles
) -> str | None:
    """What refutes an interpreter by the form of the wrapper alone; None if nothing does."""
    release = release_of(identity.torch or "")
    if releases is None or release is None or release in releases:
        return None
    versions = files.triton_versions(multi_kernel)
    return another(identity, " and ".join([releases.text, *(f"triton {version}" for version in sorted(versions))]))


def another(identity: Identity, written_with: str) -> str:
    own = f"{identity.executable} has torch {identity.torch} and triton {identity.triton}"
    return f"this cache was written with {written_with}, but {own}; run with --python and the Python that wrote it"
