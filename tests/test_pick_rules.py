"""Where each release keeps a pick, from what it puts into the file's name."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from mkexplorer.catalog.definitions import code_hash
from mkexplorer.catalog.model import Kind, MultiKernelKind
from mkexplorer.picks.interpreter import Part
from mkexplorer.picks.rules import (
    Releases,
    Rule,
    has_no_file,
    pick_path,
    release_of,
    rule_of,
    run_module_path,
    writers,
)

from . import builders


def part(cache_key: str, size_hints: str = "{'x': 4096, 'r0_': 1024}", triton_meta: str = "{'device': 0}") -> Part:
    return Part(cache_key, size_hints, triton_meta, None, None, None)


RAW = hashlib.sha256(b"source").hexdigest() + "13"


class TestReleases:
    @pytest.mark.parametrize(
        ("text", "first", "last"),
        [
            ("torch 2.3 or 2.4", (2, 3), (2, 4)),
            ("torch 2.5", (2, 5), (2, 5)),
            ("torch 2.5 to 2.8", (2, 5), (2, 8)),
            ("torch 2.10 or 2.11", (2, 10), (2, 11)),
        ],
    )
    def test_of_a_form_are_both_inside(self, text: str, first: tuple[int, int], last: tuple[int, int]) -> None:
        assert writers(text) == Releases(first, last, text)

    def test_later_has_no_end(self) -> None:
        releases = writers("torch 2.12 or later")
        assert releases
        assert (2, 11) not in releases
        assert (2, 15) in releases
        assert (3, 0) in releases

    def test_an_unknown_form_names_none(self) -> None:
        assert writers("unknown") is None

    @pytest.mark.parametrize("version", ["2.13.0+cpu", "2.13.0a0+git1234", "2.13.1.dev20260101", "2.13"])
    def test_of_a_version_are_its_first_two_numbers(self, version: str) -> None:
        assert release_of(version) == (2, 13)

    def test_of_something_else_there_are_none(self) -> None:
        assert release_of("main") is None


class TestRules:
    @pytest.mark.parametrize(
        ("release", "rule"),
        [
            ((2, 3), Rule.RUN_MODULE),
            ((2, 4), Rule.RUN_MODULE),
            ((2, 5), Rule.RAW_KEY),
            ((2, 6), Rule.HASHED_KEYS),
            ((2, 7), Rule.KEYS_AND_META),
            ((2, 13), Rule.KEYS_AND_META),
        ],
    )
    def test_follow_from_the_release(self, release: tuple[int, int], rule: Rule) -> None:
        assert rule_of(release) is rule

    def test_raw_key_is_the_first_sub_kernel_s_alone(self) -> None:
        assert pick_path(Rule.RAW_KEY, [part(RAW), part("other")]) == f"{RAW[1:3]}/{RAW}.picked_kernel"

    def test_hashed_keys_leave_sizes_and_metadata_out(self) -> None:
        key = code_hash("aa,bb")
        expected = f"{key[1:3]}/{key}.picked_kernel"
        assert pick_path(Rule.HASHED_KEYS, [part("aa"), part("bb")]) == expected
        assert pick_path(Rule.HASHED_KEYS, [part("aa", "{}"), part("bb", "{}", "{}")]) == expected

    def test_later_keys_hold_sizes_and_metadata_of_every_sub_kernel(self) -> None:
        key = code_hash("aa{'x': 8}{'device': 0},bb{'x': 8}{'device': 1}")
        parts = [part("aa", "{'x': 8}"), part("bb", "{'x': 8}", "{'device': 1}")]
        assert pick_path(Rule.KEYS_AND_META, parts) == f"{key[1:3]}/{key}.picked_kernel"


class TestRunModule:
    MODULE = "\n\n# subkernel0 code hash: c0\ndef run(multi_kernel_call, grid, stream):\n    pass\n\n    "

    def test_the_pick_is_beside_the_module_of_that_text(self) -> None:
        key = code_hash(self.MODULE.strip())
        definition = f"multi_kernel_0 = x('multi_kernel_0', [\n    a,\n],\n    '''{self.MODULE}'''\n)"
        assert run_module_path(definition) == f"{key[1:3]}/{key}.picked_kernel"

    @pytest.mark.parametrize("definition", ["", "multi_kernel_0 = x([a])", "multi_kernel_0 = x([a], '''cut off"])
    def test_a_definition_without_a_module_has_no_place(self, definition: str) -> None:
        assert run_module_path(definition) is None


class TestTemplates:
    def test_by_size_hint_have_no_file(self) -> None:
        assert has_no_file(replace(builders.multi_kernel(), kind=MultiKernelKind.SIZE_HINT))

    def test_of_torch_2_9_have_no_file(self) -> None:
        timed = builders.multi_kernel()
        templates = tuple(replace(sub_kernel, kind=Kind.TEMPLATE) for sub_kernel in timed.sub_kernels)
        assert has_no_file(replace(timed, sub_kernels=templates))

    def test_reductions_have_one(self) -> None:
        assert not has_no_file(builders.multi_kernel())
