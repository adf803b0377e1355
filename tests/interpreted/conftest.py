"""These tests are nobody's but the interpreter's: a run without it leaves them out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

collect_ignore_glob = [] if os.environ.get("TRITON_INTERPRET") == "1" else ["test_*.py"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DISABLE_MULTI_KERNEL_CACHE", "SUB_KERNEL", "METRICS", "SHARE_RANKS"):
        monkeypatch.delenv(f"MKEXPLORER_{name}", raising=False)
    monkeypatch.setenv("MKEXPLORER_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"
