"""Screen and command line call a configuration the same, and mean the same one where none is named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mkexplorer.catalog.model import CompiledConfig
from mkexplorer.report.configurations import best_config, config_text
from tests.compiled_catalog import compiled

LOST, WON, UNKNOWN = compiled("LOST", False, 8, 1), compiled("WON", True, 1, 2), compiled("UNKNOWN", None, 4, 1)


def test_the_winner_is_meant() -> None:
    assert best_config((LOST, WON)) is WON


def test_where_no_winner_is_recorded_the_first_is_meant() -> None:
    assert best_config((UNKNOWN, LOST)) is UNKNOWN


def test_nothing_is_meant_where_nothing_was_compiled() -> None:
    assert best_config(()) is None


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (LOST, "XBLOCK 1, 8 warps, 1 stage, 64 B shared"),
        (replace(WON, block_sizes=(("XBLOCK", 1), ("R0_BLOCK", 2048))), "XBLOCK 1, R0_BLOCK 2048, 1 warp, 1 stage, "),
        (replace(LOST, shared_bytes=16384), "16,384 B shared"),
    ],
)
def test_a_configuration_in_words(config: CompiledConfig, text: str) -> None:
    assert text in config_text(config)


def test_a_configuration_of_which_nothing_is_known_is_called_by_its_hash() -> None:
    bare = replace(compiled("ABCDEFGHIJK", None, 4, 1), block_sizes=(), num_warps=None, num_stages=None)
    assert config_text(replace(bare, shared_bytes=None)) == "ABCDEFGH"
