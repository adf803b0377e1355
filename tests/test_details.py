"""The details say everything once, each with where it came from."""

from __future__ import annotations

import pytest

from mkexplorer.catalog import Catalog
from mkexplorer.catalog.model import ScalarArgument, TensorArgument
from mkexplorer.measure.verdict import judge
from mkexplorer.report.details import (
    Entry,
    Section,
    argument_text,
    details,
    verdict_text,
    without_repeats,
)
from mkexplorer.report.rows import multi_kernel_row
from tests.builders import timing


def sections_of(catalog: Catalog, name: str) -> tuple[Section, ...]:
    multi_kernel = catalog.find(name)
    return details(catalog, multi_kernel_row(multi_kernel, catalog.evidence(multi_kernel)))


def found(sections: tuple[Section, ...], label: str) -> list[str]:
    return [entry.value for section in sections for entry in section.entries if entry.label == label]


def test_the_sections_of_the_sample(sample: Catalog) -> None:
    sections = sections_of(sample, "cmzexxx")
    assert [section.title.partition(" of the call")[0] for section in sections] == [
        "layer_norm 4096×4096 bf16",
        "Pick",
        "Sub-kernel 0: looped (● picked)",
        "Sub-kernel 1: persistent (fastest)",
        "Arguments",
    ]
    assert found(sections, "state") == ["picked 0"]
    assert found(sections, "regret") == ["38.0%"]
    assert found(sections, "time, cold L2") == ["31.1 µs [31.01, 31.33] n=40", "22.6 µs [22.46, 22.78] n=40"]
    assert found(sections, "torch's reading") == ["45.9 µs", "49.9 µs"]
    assert found(sections, "in_ptr0 = arg0_1") == ["bf16 4096×4096, stride 4096, 1"]
    assert "XBLOCK 1, R0_BLOCK 2048, 16 warps, 1 stage, 192 B shared" in found(sections, "configuration (won)")


def test_every_multi_kernel_of_the_sample_has_details(sample: Catalog) -> None:
    for multi_kernel in sample.multi_kernels:
        assert len(found(sections_of(sample, multi_kernel.id), "kernel file")) == len(multi_kernel.sub_kernels)


def test_what_sub_kernels_share_moves_behind_them() -> None:
    head = (Section("id", ()), Section("pick", ()))
    subs = (
        Section("0", (Entry("loads", "4", "@reduction"), Entry("hint", "INNER", "@reduction"))),
        Section("1", (Entry("loads", "3", "@persistent"), Entry("hint", "INNER", "@persistent"))),
    )
    tail = (Section("arguments", ()),)
    assert without_repeats((*head, *subs, *tail), 2) == (
        *head,
        Section("0", (Entry("loads", "4", "@reduction"),)),
        Section("1", (Entry("loads", "3", "@persistent"),)),
        Section("The same in all sub-kernels", (Entry("hint", "INNER"),)),
        *tail,
    )


@pytest.mark.parametrize("count", [0, 1])
def test_one_sub_kernel_shares_nothing(count: int) -> None:
    sections = (Section("id", ()), Section("pick", ()), *[Section("0", (Entry("a", "b"),))] * count)
    assert without_repeats(sections, count) == sections


def test_verdicts_in_words() -> None:
    assert verdict_text(None) == "not measured"
    assert verdict_text(judge([timing(31.1), timing(22.6)], 0)).startswith(
        "sub-kernel 1 is FASTER than 0: 1.376× (95%: "
    )
    assert verdict_text(judge([timing(10.0, 3), timing(10.1, 3)], 0)).startswith("sub-kernels 0 and 1: UNSURE: 1.010×")


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        (
            TensorArgument("p", "b", "torch.bfloat16", (8, "s0"), ("s0", 1), "4*s0"),
            "bf16 8×s0, stride s0, 1, offset 4*s0",
        ),
        (TensorArgument("p", "b", "torch.float32", (), ()), "f32 scalar"),
        (TensorArgument("p", "b", None, None, None), "dtype not known, shape not known"),
        (ScalarArgument("n", "s0", "s0"), "s0"),
    ],
)
def test_arguments_in_words(argument: TensorArgument | ScalarArgument, text: str) -> None:
    assert argument_text(argument) == text
