"""Picks travel by what the kernels are: not by name, number, order, device index or the brackets of a release."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkexplorer.catalog import Catalog, open_catalog
from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.model import Kind, MultiKernel
from mkexplorer.picks.content import Contents, contents, contents_of
from mkexplorer.picks.travel import TravellingPick, match_picks, read_picks, travelling_pick, write_picks
from tests import builders
from tests.conftest import DATA

SOURCE = """
import triton
import triton.language as tl

@triton_heuristics.reduction(
    size_hints={'x': 4096, 'r0_': 2048},
    reduction_hint=ReductionHint.INNER,
    filename=__file__,
    triton_meta={'signature': {'in_ptr0': '*fp32', 'xnumel': 'i32', 'XBLOCK': 'constexpr'}, 'device': \
DeviceProperties(type='cuda', index=0, multi_processor_count=132, cc=90), 'constants': {}},
    inductor_meta={'kernel_name': 'triton_red_fused_0', 'backend_hash': 'ABC'}
)
@triton.jit
def triton_red_fused_0(in_ptr0, xnumel, XBLOCK : tl.constexpr):
    # how far
    xoffset = tl.program_id(0) * XBLOCK
    tl.store(in_ptr0 + (2048*xoffset), xnumel)
"""
HELPER = "@triton.jit\ndef helper(a, b):\n    return a + b\n\n"
PICK = TravellingPick("layer_norm 4096×4096 bf16", "persistent", "cuda 90", "b", ("a", "b"))


def one(source: str) -> Contents:
    return contents([source])


def opened(release: str, name: str) -> tuple[Catalog, MultiKernel]:
    catalog = open_catalog(DATA / "wrappers" / f"torch-{release}" / f"{name}.py")
    return catalog, catalog.multi_kernels[0]


def changed(old: str, new: str) -> str:
    assert old in SOURCE
    return SOURCE.replace(old, new)


class TestContent:
    @pytest.mark.parametrize(
        "other",
        [
            pytest.param(changed("triton_red_fused_0", "triton_red_fused_17"), id="its name and number"),
            pytest.param(changed("index=0", "index=3"), id="which of the GPUs it was compiled for"),
            pytest.param(changed("(2048*xoffset)", "2048*xoffset"), id="needless brackets"),
            pytest.param(changed("    # how far\n", ""), id="comments"),
            pytest.param(changed("'ABC'", "'DEF', 'new_option': True"), id="what a release notes beside it"),
            pytest.param(changed("{'x': 4096, 'r0_': 2048}", "[4096, 2048]"), id="how size hints are written"),
            pytest.param(changed(", 'XBLOCK': 'constexpr'", ""), id="whether the signature has constants"),
            pytest.param(changed("import triton\n", "import triton, math\n"), id="imports"),
            pytest.param(SOURCE + "\ndef benchmark_all_configs(args):\n    pass\n", id="benchmark code"),
        ],
    )
    def test_this_does_not_make_another_kernel(self, other: str) -> None:
        assert one(other).hashes == one(SOURCE).hashes

    @pytest.mark.parametrize(
        "other",
        [
            pytest.param(changed("2048*x", "4096*x"), id="what it computes"),
            pytest.param(changed("* XBLOCK", "+ XBLOCK"), id="an operator"),
            pytest.param(changed("heuristics.reduction", "heuristics.persistent_reduction"), id="its kind"),
            pytest.param(changed("'x': 4096", "'x': 8192"), id="its size"),
            pytest.param(changed("*fp32", "*bf16"), id="its types"),
            pytest.param(changed("xoffset), xnumel", "(xoffset + 1)), xnumel"), id="brackets that count"),
            pytest.param(changed("@triton_heur", f"{HELPER}@triton_heur"), id="a helper"),
        ],
    )
    def test_this_makes_another_kernel(self, other: str) -> None:
        assert one(other).hashes != one(SOURCE).hashes

    def test_the_device_is_told_apart(self) -> None:
        assert one(SOURCE).device == "cuda 90"
        assert one(changed("cc=90", "cc=80")).device == "cuda 80"
        assert one(changed("cc=90", "cc=80")).hashes == one(SOURCE).hashes
        assert (
            one(changed("DeviceProperties(type='cuda', index=0, multi_processor_count=132, cc=90)", "0")).device == ""
        )

    @pytest.mark.parametrize("source", ["", "no Python (", "x = " + "(" * 5000, "\0", "def f(): pass", "\ud800"])
    def test_what_is_no_kernel_is_itself_only(self, source: str) -> None:
        assert one(source).hashes == one(f"\n{source}\n").hashes
        assert one(source).hashes != one(source + "x").hashes

    def test_hashes_stay_what_they_are(self) -> None:
        """People commit them: a change here must be a new schema of picks.toml."""
        assert one(SOURCE).hashes == ("82c5e8ac6ca385c6c78f2b11e4779c00",)


class TestAcrossReleases:
    @pytest.mark.parametrize("name", ["softmax", "layernorm"])
    def test_the_release_that_turned_the_order_round_gets_the_same_kernel(self, name: str) -> None:
        """Torch 2.5 lists the persistent sub-kernel first, 2.6 the looped one."""
        old, ours = opened("2.5.1", name)
        new, theirs = opened("2.6.0", name)
        assert [sub.kind for sub in ours.sub_kernels] == [Kind.PERSISTENT, Kind.LOOPED]
        assert [sub.kind for sub in theirs.sub_kernels] == [Kind.LOOPED, Kind.PERSISTENT]
        pick = travelling_pick(name, ours, contents_of(old, ours), 0)
        matches = match_picks(read_picks(write_picks([pick])), [(theirs, contents_of(new, theirs))])
        assert [(match.multi_kernel, match.index) for match in matches.found] == [(theirs, 1)]

    def test_a_release_that_generates_other_kernels_is_not_guessed_at(self) -> None:
        old, ours = opened("2.6.0", "softmax")
        new, theirs = opened("2.7.1", "softmax")
        pick = travelling_pick("softmax", ours, contents_of(old, ours), 0)
        matches = match_picks([pick], [(theirs, contents_of(new, theirs))])
        assert matches.found == ()
        assert matches.unmatched == ((pick, "no multi-kernel here has these kernels"),)
        assert matches.without == (theirs,)

    def test_every_pick_of_the_sample_finds_its_own_multi_kernel(self, sample: Catalog) -> None:
        known = [(each, contents_of(sample, each)) for each in sample.multi_kernels]
        picks = [travelling_pick(each.id, each, own, 1) for each, own in known]
        matches = match_picks(read_picks(write_picks(picks)), known)
        assert {match.pick.title: (match.multi_kernel.id, match.index) for match in matches.found} == {
            each.id: (each.id, 1) for each, _ in known
        }
        assert (matches.unmatched, matches.without) == ((), ())


class TestMatching:
    HERE = builders.multi_kernel()

    def match(self, pick: TravellingPick, *hashes: str, device: str = "cuda 90") -> str | int:
        """The index that the pick finds, or why it finds none."""
        matches = match_picks([pick], [(self.HERE, Contents(hashes, device))])
        return matches.found[0].index if matches.found else matches.unmatched[0][1]

    def test_by_content_whatever_the_order(self) -> None:
        assert self.match(PICK, "a", "b") == 1
        assert self.match(PICK, "b", "a") == 0

    def test_why_one_fits_nothing(self) -> None:
        assert (
            self.match(PICK, "a", "b", device="cuda 80") == "the same kernels are here, but for cuda 80 and not cuda 90"
        )
        assert self.match(PICK, "a", "b", "c") == "its kernel is here, but with others to choose among"
        assert self.match(PICK, "c", "d") == "no multi-kernel here has these kernels"
        assert self.match(replace(PICK, among=("b", "b")), "b", "b") == "its content is that of several sub-kernels"

    def test_every_multi_kernel_of_these_kernels_gets_it(self) -> None:
        twin = builders.multi_kernel(name="multi_kernel_1")
        own = Contents(("a", "b"), "cuda 90")
        matches = match_picks([PICK], [(self.HERE, own), (twin, own)])
        assert [match.multi_kernel for match in matches.found] == [self.HERE, twin]

    def test_a_file_that_contradicts_itself_is_not_obeyed(self) -> None:
        own = Contents(("a", "b"), "cuda 90")
        matches = match_picks([PICK, replace(PICK, chosen="a")], [(self.HERE, own)])
        assert matches.found == ()
        assert [why for _, why in matches.unmatched] == ["the file chooses differently for the same kernels"] * 2

    def test_what_content_cannot_tell_apart_does_not_travel(self) -> None:
        with pytest.raises(MkexplorerError, match="cannot travel"):
            travelling_pick("t", self.HERE, Contents(("a", "a"), ""), 0)


class TestFile:
    def test_it_reads_as_it_was_written(self) -> None:
        assert read_picks(write_picks([PICK])) == (PICK,)
        assert read_picks(write_picks([])) == ()

    def test_the_same_choices_give_the_same_file(self) -> None:
        other = replace(PICK, title="another", chosen="a", among=("a", "c"))
        assert write_picks([PICK, other, PICK]) == write_picks([other, PICK])
        assert write_picks([PICK, replace(PICK, title="z")]) == write_picks([replace(PICK, title="z"), PICK])

    @given(st.text(max_size=60), st.text(max_size=20))
    def test_any_text_survives(self, title: str, device: str) -> None:
        (pick,) = read_picks(write_picks([replace(PICK, title=title, device=device)]))
        assert (pick.title, pick.device) == (title, device)

    def test_what_steers_a_terminal_is_escaped_and_what_is_no_text_replaced(self) -> None:
        text = write_picks([replace(PICK, title="\x1b[31m\u202e\x7f\ud800")])
        assert 'title = "\\u001b[31m\\u202e\\u007f?"' in text
        tomllib.loads(text)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("schema = ", "is no TOML"),
            ("", "says no schema"),
            ('schema = "1"', "says no schema"),
            ("schema = 0", "says no schema"),
            ("schema = 2", "later mkexplorer"),
            ("schema = 1\npick = 3", "no array of tables"),
            ("schema = 1\npick = [3]", "pick 1 is none"),
            ('schema = 1\n[[pick]]\nchosen = "a"', "pick 1 is none"),
            ('schema = 1\n[[pick]]\nchosen = 1\namong = ["a"]', "pick 1 is none"),
            ('schema = 1\n[[pick]]\nchosen = "a"\namong = [1]', "pick 1 is none"),
            (
                'schema = 1\n[[pick]]\ntitle = "t"\nchosen = "a"\namong = ["b"]',
                r"pick 1 \(t\) chooses",
            ),
            ("a = " + "[" * 5000, "is no TOML"),
        ],
    )
    def test_what_is_no_such_file(self, text: str, words: str) -> None:
        with pytest.raises(MkexplorerError, match=words) as caught:
            read_picks(text)
        assert caught.value.advice

    def test_what_a_person_sees(self) -> None:
        assert re.sub(r"(?m)^#.*\n", "", write_picks([PICK])) == (
            "\nschema = 1\n\n[[pick]]\n"
            'title = "layer_norm 4096×4096 bf16"\n'
            'kind = "persistent"\n'
            'device = "cuda 90"\n'
            'chosen = "b"\n'
            'among = ["a", "b"]\n'
        )
