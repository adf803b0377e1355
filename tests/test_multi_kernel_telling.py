"""What a user gave, as text: what makes it another one, and of what nothing can be told."""

from __future__ import annotations

import functools
import json
import math
import operator
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import triton
import triton.language as tl

from mkexplorer.multikernel.telling import told, wholly_told

WIDTH = 4
ENVIRONMENT = os.environ
ITSELF = sys.modules[__name__]


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


def importing(meta: Any) -> Any:
    from math import ceil

    return ceil(meta["n"])


def test_of_known_packages_a_name_is_enough() -> None:
    assert wholly_told(math.ceil) == "math.ceil"
    assert told(Path) == "pathlib.Path"


@pytest.mark.parametrize(
    "function",
    [
        lambda meta: max(math.ceil(meta["n"] / math.pi), operator.add(1, 2)),
        lambda meta: [math, int, len, ValueError],
        lambda meta: triton.cdiv(meta["n"], triton.next_power_of_2(meta["m"])),
        lambda meta: tl.cdiv(meta["n"], 2) if meta["d"] is tl.float16 else triton.language.constexpr(1),
        lambda meta: meta["x"].dtype is torch.float16 or torch.bfloat16.itemsize,
        lambda meta: ITSELF.helper(meta["n"]) * ITSELF.WIDTH,
    ],
)
def test_what_computes_from_its_arguments_alone_is_wholly_told(function: Callable[[Any], Any]) -> None:
    assert wholly_told(function) is not None


@pytest.mark.parametrize(
    "function",
    [
        lambda meta: ENVIRONMENT.get("BLOCK"),
        lambda meta: os.environ.get("BLOCK"),
        lambda meta: os.getenv("BLOCK"),
        lambda meta: os.path.getsize(meta["n"]),
        lambda meta: [os.cpu_count() for _ in meta],
        lambda meta: Path("block").read_text(),
        lambda meta: open("block"),  # noqa: SIM115
        lambda meta: eval("WIDTH"),
        lambda meta: torch.backends.cuda.matmul.allow_tf32,
        lambda meta: torch.backends.cudnn.allow_tf32,
        lambda meta: torch.cuda.is_available(),
        lambda meta: triton.runtime.driver.active,
        lambda meta: getattr(triton, "runtime"),  # noqa: B009
        with_closure(triton),
        lambda meta: defined_later,  # type: ignore[name-defined]  # noqa: F821
        importing,
        lambda meta: importing(meta),
    ],
)
def test_what_may_read_the_state_of_the_process_is_not_wholly_told(function: Callable[[Any], Any]) -> None:
    assert wholly_told(function) is None
    assert "0x" not in told(function)


def test_what_is_read_of_a_users_module_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def reading(meta: Any) -> Any:
        return ITSELF.WIDTH

    before = wholly_told(reading)
    assert before is not None
    monkeypatch.setattr(ITSELF, "WIDTH", 8)
    assert wholly_told(reading) not in (before, None)


def test_a_function_that_is_met_again_is_told_from_others_of_its_name() -> None:
    first, second = (lambda meta: 16), (lambda meta: 32)
    one = wholly_told({"A": first, "B": second, "C": first})
    assert one is not None
    assert one != wholly_told({"A": first, "B": second, "C": second})


def test_a_wrapper_is_not_taken_for_what_it_wraps() -> None:
    def wrapping(by: int) -> Callable[[int], int]:
        @functools.wraps(triton.next_power_of_2)
        def inner(number: int) -> int:
            return number * by

        return inner

    assert wrapping(1).__module__ == "triton"
    assert wholly_told(wrapping(1)) == wholly_told(wrapping(1)) is not None
    assert wholly_told(wrapping(1)) != wholly_told(wrapping(2))
    assert wholly_told(functools.lru_cache(wrapping(1))) is None


@pytest.mark.parametrize("value", [object(), with_closure(object()), Path("x"), ITSELF])
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
