"""Full and read-only disks, real ones: a clear message, the old pick, and nothing left behind."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.pick_cache import NAME

NAMESPACE = ["unshare", "--mount", "--map-root-user"]


def may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*NAMESPACE, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode == 0


needs_mounts = pytest.mark.skipif(not may_mount(), reason="this system lets no test mount a disk of its own")


def on_disk(kind: str, folder: Path) -> list[dict[str, Any]]:
    command = [*NAMESPACE, sys.executable, "-m", "tests.odd_disks", kind, str(folder)]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told: list[dict[str, Any]] = json.loads(done.stdout)
    return told


@needs_mounts
def test_a_full_disk(tmp_path: Path) -> None:
    told = on_disk("full", tmp_path)
    for each in told:
        assert each["problems"] == []
        if each["error"]:
            message, advice = each["error"]
            assert "not changed: No space left on device" in message
            assert "Free some space" in advice
            assert each["content"] == each["old"]
            assert each["happened"] == each["changes"]
        else:
            assert each["content"] != each["old"]
            assert each["happened"] == each["changes"] + 1
        assert set(each["names"]) <= {NAME, f"{NAME}.json"}
    refused = sum(bool(each["error"]) for each in told)
    assert 0 < refused < len(told), "the disk was never full, or always"


@needs_mounts
def test_a_read_only_folder(tmp_path: Path) -> None:
    (told,) = on_disk("read-only", tmp_path)
    message, advice = told["error"]
    assert "not changed: " in message
    assert "Read-only file system" in message
    assert "read-only" in advice
    assert told["content"] == "0"
    assert told["names"] == [NAME]
