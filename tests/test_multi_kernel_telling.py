"""What a user gave, as text: what makes it another one, and of what nothing can be told."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mkexplorer.multikernel.telling import told, wholly_told

WIDTH = 4


def helper(number: int) -> int:
    return number * WIDTH


def using_helper(meta: Any) -> int:
    return helper(meta["n"])


def with_closure(by: Any) -> Callable[[Any], int]:
    return lambda meta: meta["n"] + by


def recursive(number: int) -> int:
    return recursive(number - 1) if number else 0


def test_a_function_is_told_by_its_code_and_not_by_its_place() -> None:
    assert wholly_told(lambda meta: meta["n"] + 1) == wholly_told(lambda meta: meta["n"] + 1)
    assert wholly_told(lambda meta: meta["n"] + 1) != wholly_told(lambda meta: meta["n"] + 2)
    assert wholly_told(lambda meta: meta["n"]) != wholly_told(lambda meta: meta["m"])


def test_what_a_function_uses_counts_however_deep(monkeypatch: pytest.MonkeyPatch) -> None:
    before = wholly_told(using_helper)
    assert before is not None
    monkeypatch.setattr(sys.modules[__name__], "WIDTH", 8)
    assert wholly_told(using_helper) != before
    assert wholly_told(with_closure(1)) != wholly_told(with_closure(2))
    assert wholly_told(lambda meta: [helper(each) for each in meta]) is not None
    assert wholly_told(recursive) is not None


def test_defaults_count() -> None:
    assert wholly_told(lambda meta, by=1: by) != wholly_told(lambda meta, by=2: by)
    assert wholly_told(lambda meta, *, by=1: by) != wholly_told(lambda meta, *, by=2: by)


def test_of_known_packages_a_name_is_enough() -> None:
    assert wholly_told(lambda meta: math.ceil(os.path.getsize(meta["n"]))) is not None
    assert wholly_told(math.ceil) == "math.ceil"
    assert wholly_told(Path) == "pathlib.Path"


@pytest.mark.parametrize("value", [object(), with_closure(object()), Path("x"), sys.modules[__name__]])
def test_of_an_object_only_its_type_is_told(value: object) -> None:
    assert wholly_told(value) is None
    assert "0x" not in told(value)


def test_another_process_tells_the_same() -> None:
    given = "{'F': telling.using_helper, 'G': lambda meta: meta['n'] in {'a', 'b', 'c'}}"
    code = f"import json, tests.test_multi_kernel_telling as telling; print(json.dumps(telling.wholly_told({given})))"
    texts = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
        texts.add(json.loads(done.stdout))
    assert len(texts) == 1
    assert None not in texts
