"""The evidence beside a pick: every change has its entry, and no damage to one hides another, or the pick."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkexplorer.catalog.model import Resources, Timing
from mkexplorer.measure.model import ArgumentSource, SubKernelResult
from mkexplorer.measure.verdict import Judgement, Verdict
from mkexplorer.picks.evidence import change_line, outcome_line, read_history
from mkexplorer.picks.model import Action, Entry, Held, Machine, Measured, PickState, Who
from tests import builders
from tests.pick_cache import PickCache

PICKED_0, PINNED_1 = Held(b"0", PickState.PICKED), Held(b"1", PickState.PINNED)
ENTRY = Entry(
    id="one",
    batch="first",
    when="2026-01-31T12:00:00.000000Z",
    who=Who.PERSON,
    action=Action.PIN,
    multi_kernel=f"{builders.KEY}/multi_kernel_0",
    before=PICKED_0,
    after=PINNED_1,
)
FULL = replace(
    ENTRY,
    why="38% faster\n\x1b[31m\N{SNOWMAN}",
    measured=Measured(
        (
            SubKernelResult(builders.timing(31.2), builders.timing(29.0), stock_us=40.0, agrees=True),
            SubKernelResult(
                builders.timing(22.6),
                None,
                resources=Resources(32, 0, None),
                configuration=(("XBLOCK", 1), ("num_warps", 8)),
                agrees=False,
                problem="differs by 0.1\x1b[31m",
            ),
        ),
        Judgement(Verdict.FASTER, 1, 0, 1.38, 1.35, 1.41, 0.38),
        ArgumentSource.CALL,
        bytes_moved=134_217_728,
        copy_gb_per_s=2780.5,
        sm_clock_mhz=1980.0,
        throttled=("power cap",),
        notes=("s0 = 4096",),
    ),
    machine=Machine("NVIDIA H100", "580.1", "2.11.0+cu130", "3.6.0", "node7", "bob"),
)


@pytest.fixture
def cache(tmp_path: Path) -> PickCache:
    return PickCache(tmp_path)


def undo_of(entry: Entry, entry_id: str = "two") -> Entry:
    back = (entry.after, entry.before)
    return replace(entry, id=entry_id, action=Action.UNDO, before=back[0], after=back[1], undoes=entry.id)


class TestLines:
    @pytest.mark.parametrize("entry", [ENTRY, FULL, replace(ENTRY, undoes="zero", who=Who.TOOL)])
    def test_an_entry_comes_back_as_it_went(self, entry: Entry) -> None:
        assert read_history(change_line(entry), b"1").entries == (entry,)

    def test_a_line_is_one_line_of_plain_ascii(self) -> None:
        line = change_line(FULL)
        assert line.isascii()
        assert line.count(b"\n") == 1
        assert b"\x1b" not in line

    @pytest.mark.parametrize("content", [b"", b"x", b"\xff\x00", b"1\r\n", None])
    def test_what_the_file_held_is_kept_to_the_byte(self, content: bytes | None) -> None:
        entry = replace(ENTRY, before=Held(content, PickState.NONE if content is None else PickState.INVALID))
        assert read_history(change_line(entry), b"1").entries[0].before.content == content

    def test_an_interval_without_an_end_is_no_number_in_json(self) -> None:
        subs = (SubKernelResult(Timing(2.0, 1.0, 3.0, 5), None), SubKernelResult(Timing(2.1, 1.0, 3.0, 5), None))
        measured = Measured(subs, Judgement(Verdict.UNSURE, 0, 1, 1.1, 0.0, math.inf, None))
        line = change_line(replace(ENTRY, measured=measured))
        json.loads(line, parse_constant=pytest.fail)
        assert read_history(line, b"1").entries[0].measured == measured

    def test_a_line_from_before_measuring_has_its_times(self) -> None:
        line = json.loads(change_line(ENTRY))
        times = [{"median_us": 2.0, "q1_us": 1.0, "q3_us": 3.0, "n": 5}, None]
        line["measured"] = {"timings": times, "verdict": "FASTER", "best": 1, "ratio": 1.4, "low": 1.3, "high": 1.5}
        measured = Measured((SubKernelResult(Timing(2.0, 1.0, 3.0, 5), None), SubKernelResult(None, None)))
        assert read_history(json.dumps(line).encode() + b"\n", b"1").entries[0].measured == measured


class TestWhetherItHappened:
    @pytest.mark.parametrize(("content", "happened"), [(b"1", True), (b"0", False), (None, False)])
    def test_without_an_outcome_the_pick_file_tells(self, content: bytes | None, happened: bool) -> None:
        assert read_history(change_line(ENTRY), content).entries[0].happened is happened

    def test_without_an_outcome_what_was_found_next_tells(self) -> None:
        later = replace(ENTRY, id="two", before=PINNED_1, after=PICKED_0)
        assert [each.happened for each in read_history(change_line(ENTRY) + change_line(later), b"0").entries] == [
            True,
            True,
        ]
        later = replace(ENTRY, id="two", before=PICKED_0, after=PINNED_1)
        assert [each.happened for each in read_history(change_line(ENTRY) + change_line(later), b"1").entries] == [
            False,
            True,
        ]

    @pytest.mark.parametrize("happened", [True, False])
    def test_an_outcome_stands_whatever_the_file_holds_now(self, happened: bool) -> None:
        data = change_line(ENTRY) + outcome_line("one", happened)
        assert read_history(data, b"0").entries[0].happened is happened
        assert read_history(data, b"1").entries[0].happened is happened


class TestWhatCanBeUndone:
    def test_pins_and_clears_that_stand(self) -> None:
        data = change_line(ENTRY) + outcome_line("one", True)
        assert read_history(data, b"1").undoable == (ENTRY,)

    def test_not_what_was_undone_nor_the_undo(self) -> None:
        data = change_line(ENTRY) + outcome_line("one", True) + change_line(undo_of(ENTRY))
        assert read_history(data + outcome_line("two", True), b"0").undoable == ()

    def test_an_undo_that_never_happened_undid_nothing(self) -> None:
        data = change_line(ENTRY) + outcome_line("one", True) + change_line(undo_of(ENTRY))
        assert read_history(data + outcome_line("two", False), b"1").undoable == (ENTRY,)

    def test_not_what_never_happened_nor_what_a_run_time_did(self) -> None:
        by_torch = replace(ENTRY, id="two", who=Who.RUNTIME, action=Action.PICK)
        assert read_history(change_line(ENTRY) + outcome_line("one", False), b"1").undoable == ()
        assert read_history(change_line(by_torch), b"1").undoable == ()


class TestDamage:
    @pytest.mark.parametrize(
        ("line", "words"),
        [
            (b"garbage\n", "is no JSON"),
            (b"\xff\xfe\n", "is no JSON"),
            (b"[1]\n", "no JSON object"),
            (b"{}\n", "'schema'"),
            (b'{"schema": 2}\n', "later mkexplorer"),
            (b'{"schema": 1, "entry": "other"}\n', "neither a change nor an outcome"),
            (change_line(ENTRY).replace(b'"pin"', b'"dance"'), "dance"),
            (change_line(ENTRY).replace(b"2026-01-31T", b"yesterday "), "'when' is no time"),
            (change_line(ENTRY).replace(b'"text":"0"', b'"text":"x"'), "invalid literal"),
            (change_line(ENTRY).replace(b'"text":"0"', b'"base64":"?"'), "base64"),
            (change_line(FULL).replace(b'"median_us":22.6', b'"median_us":"fast"'), "'median_us' is no time"),
            (change_line(FULL).replace(b'"ratio":1.38', b'"ratio":1' + b"0" * 400), "'ratio' is no number"),
            (change_line(FULL).replace(b'"n":40', b'"n":1' + b"0" * 400), "'n' is too large"),
            (change_line(FULL).replace(b'"best":1', b'"best":2'), "sub-kernels that have no times"),
            (
                change_line(FULL).replace(b'"sub_kernels":[{', b'"sub_kernels":[1,{'),
                "'sub_kernels' is not of type dict",
            ),
            (b"[" * 100_000 + b"\n", "recursion"),
            (b'{"a": "' + b"x" * (1 << 20) + b'"}\n', "longer than 1 MiB"),
            (change_line(ENTRY)[:-40], "breaks off"),
        ],
    )
    def test_a_line_that_is_none_is_told_and_hides_nothing(self, line: bytes, words: str) -> None:
        whole = change_line(replace(ENTRY, id="whole")) + outcome_line("whole", True)
        history = read_history(whole + line, b"1")
        assert [entry.id for entry in history.entries] == ["whole"]
        (problem,) = history.problems
        assert problem.startswith("line 3: ")
        assert words in problem

    @given(st.binary(max_size=300), st.integers(0, 600), st.integers(0, 255))
    def test_no_damage_raises(self, noise: bytes, at: int, byte: int) -> None:
        line = bytearray(change_line(FULL))
        line[at % len(line)] = byte
        read_history(bytes(line) + noise, b"1")

    def test_a_torn_line_is_ended_before_the_next_one(self, cache: PickCache) -> None:
        cache.pin(1)
        with cache.evidence.open("ab") as file:
            file.write(change_line(ENTRY)[:50])
        cache.undo()
        history = cache.read().history
        assert [entry.action for entry in history.entries] == [Action.PIN, Action.UNDO]
        assert len(history.problems) == 1

    def test_damage_hides_no_pick(self, cache: PickCache) -> None:
        cache.evidence.write_bytes(b"\xff\0garbage")
        found = cache.read()
        assert (found.pick.state, found.pick.index) == (PickState.PICKED, 0)
        cache.pin(1)
        assert cache.read().pick.state is PickState.PINNED

    def test_what_cannot_be_read_hides_no_pick_and_keeps_it_from_being_changed(self, cache: PickCache) -> None:
        cache.evidence.mkdir()
        found = cache.read()
        assert found.pick.index == 0
        assert "history cannot be read" in found.obstacle
