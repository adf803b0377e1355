"""These tests are nobody's but the interpreter's: a run without it leaves them out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mkexplorer.multikernel import config

from ..stub_kernels import Stopwatch

collect_ignore_glob = [] if os.environ.get("TRITON_INTERPRET") == "1" else ["test_*.py"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DISABLE_MULTI_KERNEL_CACHE", "SUB_KERNEL", "METRICS", "SHARE_RANKS"):
        monkeypatch.delenv(f"MKEXPLORER_{name}", raising=False)
    monkeypatch.setenv("MKEXPLORER_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> Stopwatch:
    stopwatch = Stopwatch(scale_looped=31.0, scale_persistent=22.0, scale_plain=40.0)
    monkeypatch.setattr(config, "measure", stopwatch)
    return stopwatch
