"""What a program's environment does to its picks."""

from __future__ import annotations

import pytest

from mkexplorer.picks.environment import environment_notes


@pytest.mark.parametrize(
    ("name", "value", "words", "picks_count"),
    [
        ("TORCHINDUCTOR_DISABLE_MULTI_KERNEL_CACHE", "1", "measures anew", False),
        ("TORCHINDUCTOR_MULTI_KERNEL", "0", "compile no new multi-kernels", True),
        ("TORCHINDUCTOR_MULTI_KERNEL", "2", "sub-kernel 0 is used of every", False),
        ("TORCHINDUCTOR_MULTI_KERNEL", "3", "sub-kernel 1 is used of every", False),
        ("TORCHINDUCTOR_MULTI_KERNEL", "5", "AssertionError", False),
        ("TORCHINDUCTOR_MULTI_KERNEL", "on", "ValueError", False),
        ("TORCHINDUCTOR_MULTI_KERNEL", "", "ValueError", False),
        ("TORCHINDUCTOR_ENABLED_METRIC_TABLES", "kernel_autotune, persistent_red_perf", "out of the list", False),
    ],
)
def test_what_bears_on_picks_is_told(name: str, value: str, words: str, picks_count: bool) -> None:
    (note,) = environment_notes({name: value, "HOME": "/root"})
    assert (note.variable, note.value, note.picks_count) == (name, value, picks_count)
    assert words in note.effect


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"TORCHINDUCTOR_MULTI_KERNEL": "1"},
        {"TORCHINDUCTOR_MULTI_KERNEL": "-1"},
        {"TORCHINDUCTOR_DISABLE_MULTI_KERNEL_CACHE": "0"},
        {"TORCHINDUCTOR_DISABLE_MULTI_KERNEL_CACHE": "true"},
        {"TORCHINDUCTOR_ENABLED_METRIC_TABLES": "kernel_autotune"},
        {"TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"},
    ],
)
def test_what_does_not_is_not(environment: dict[str, str]) -> None:
    assert environment_notes(environment) == ()
