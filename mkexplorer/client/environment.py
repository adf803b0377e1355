"""What a worker is started with: the person's own environment, less what would disturb, by what it is there to do."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat as stat_bits
from collections.abc import Mapping
from enum import Enum, auto
from pathlib import Path

from mkexplorer.catalog.index import index_path


class Purpose(Enum):
    """PICKS computes keys, COMPILE compiles, both on no GPU; BENCH runs kernels on one; INTERPRET does on the CPU."""

    PICKS = auto()
    COMPILE = auto()
    BENCH = auto()
    INTERPRET = auto()


# They would have the worker write elsewhere, wait for every launch, or leave out what it is there to compute.
_UNSET = {
    "CUDA_LAUNCH_BLOCKING",
    "PYTHONINSPECT",
    "TORCH_COMPILE_DEBUG",
    "TORCH_COMPILE_DEBUG_DIR",
    "TORCH_LOGS",
    "TORCH_LOGS_OUT",
    "TORCH_TRACE",
    "TRITON_DUMP_DIR",
    "TRITON_INTERPRET",
    "TRITON_KERNEL_DUMP",
    "TRITON_KERNEL_OVERRIDE",
}
_NO_GPU = {"CUDA_VISIBLE_DEVICES": "", "HIP_VISIBLE_DEVICES": ""}
_OF_PURPOSE: Mapping[Purpose, Mapping[str, str]] = {
    Purpose.PICKS: _NO_GPU,
    Purpose.COMPILE: _NO_GPU,
    Purpose.BENCH: {},
    Purpose.INTERPRET: {**_NO_GPU, "TRITON_INTERPRET": "1"},
}
_KEEPS_COMPILED = (Purpose.COMPILE, Purpose.BENCH)
# Some thousands of compiled configurations; the ones made first go first.
_MOST_COMPILED_BYTES = 2 * 1024**3
_FEWER_BYTES = 1024**3
_LEAVING = ".leaving-"


def worker_environment(own: Mapping[str, str], folder: str, purpose: Purpose) -> dict[str, str]:
    """For a worker whose folder is ``folder``; only what Triton compiles is kept beyond its life."""
    environment = {name: value for name, value in own.items() if name not in _UNSET}
    if path := own.get("PYTHONPATH"):
        environment["PYTHONPATH"] = os.pathsep.join(os.path.abspath(part) for part in path.split(os.pathsep) if part)
    kept = str(compiled_folder()) if purpose in _KEEPS_COMPILED else None
    return environment | {
        **_OF_PURPOSE[purpose],
        "TMPDIR": folder,
        "TORCHINDUCTOR_CACHE_DIR": os.path.join(folder, "inductor"),
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
        "TRITON_CACHE_DIR": kept if kept and _is_own_folder(kept) else os.path.join(folder, "triton"),
    }


def compiled_folder() -> Path:
    """Where workers keep what they compile, under Triton's own hashes, so that a second bench of a kernel is quick."""
    return index_path("").with_name("triton")


def forget_old_compilations(
    folder: Path, most_bytes: int = _MOST_COMPILED_BYTES, fewer_bytes: int = _FEWER_BYTES
) -> None:
    """Removes the oldest until no more than ``fewer_bytes`` are left, if there are more than ``most_bytes``.

    Another worker may read there, so each is first moved away: it is there whole or not at all.
    """
    with contextlib.suppress(OSError):
        aged = sorted(_compilation(entry) for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False))
        total = sum(size for _, size, _ in aged)
        if total <= most_bytes:
            return
        for _, size, path in aged:
            if total <= fewer_bytes:
                return
            leaving = path if _LEAVING in path else f"{path}{_LEAVING}{os.getpid()}"
            with contextlib.suppress(OSError):
                os.rename(path, leaving)
                shutil.rmtree(leaving)
            total -= size


def _compilation(entry: os.DirEntry[str]) -> tuple[float, int, str]:
    """When it was made, its size in bytes, and its path."""
    with os.scandir(entry.path) as files:
        size = sum(file.stat(follow_symlinks=False).st_size for file in files)
    return entry.stat(follow_symlinks=False).st_mtime, size, entry.path


def _is_own_folder(path: str) -> bool:
    """Whether only this user can write there: what lies in it is loaded and run."""
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
        found = os.lstat(path)
    except OSError:
        return False
    others_write = stat_bits.S_IWGRP | stat_bits.S_IWOTH
    return stat_bits.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & others_write
