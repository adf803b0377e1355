"""Sub-kernels agree if their outputs are as close as the dtypes allow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from mkexplorer.worker import agreement  # noqa: E402  torch may be missing

FLOAT_STEP = 1.2e-7


def runs(*outputs: Any) -> Callable[[int], Sequence[tuple[str, Any]]]:
    return lambda index: [("out_ptr0", outputs[index])]


def normal(count: int = 4096, dtype: Any = None) -> Any:
    return torch.randn(count, generator=torch.Generator().manual_seed(1)).to(dtype or torch.float32)


class TestFloats:
    def test_equal_ones_agree(self) -> None:
        assert agreement.difference(normal(), normal(), FLOAT_STEP) == ""

    def test_another_order_of_a_sum_agrees(self) -> None:
        rows = torch.randn(64, 8192, generator=torch.Generator().manual_seed(2))
        one = rows.sum(-1)
        other = rows.flip(-1).cumsum(-1)[:, -1]
        assert not torch.equal(one, other)
        assert agreement.difference(one, other, FLOAT_STEP) == ""

    def test_a_sum_that_misses_its_last_element_differs(self) -> None:
        rows = torch.randn(64, 8192, generator=torch.Generator().manual_seed(2))
        assert "of 64 elements" in agreement.difference(rows.sum(-1), rows[:, :-1].sum(-1), FLOAT_STEP)

    def test_one_wrong_element_is_enough(self) -> None:
        wrong = normal()
        wrong[17] += 0.01
        text = agreement.difference(normal(), wrong, FLOAT_STEP)
        assert text.startswith("in 1 of 4096 elements, by up to 0.01 ")

    def test_a_step_of_a_narrow_dtype_is_no_difference(self) -> None:
        one = normal(dtype=torch.bfloat16)
        other = (one.float() * 1.006).to(torch.bfloat16)
        assert not torch.equal(one, other)
        assert agreement.difference(one, other, 0.0078) == ""

    def test_what_a_wide_output_owes_to_a_narrow_one_is_no_difference(self) -> None:
        assert agreement.difference(normal(), normal() * 1.004, FLOAT_STEP)
        assert agreement.difference(normal(), normal() * 1.004, 0.0078) == ""

    def test_nan_equals_nan_and_nothing_else(self) -> None:
        one = normal()
        one[3] = float("nan")
        assert agreement.difference(one, one.clone(), FLOAT_STEP) == ""
        assert "in 1 of 4096" in agreement.difference(one, normal(), FLOAT_STEP)

    def test_infinities_equal_those_of_the_same_sign(self) -> None:
        one, other = normal(), normal()
        one[3] = other[3] = float("inf")
        assert agreement.difference(one, other, FLOAT_STEP) == ""
        other[3] = float("-inf")
        assert agreement.difference(one, other, FLOAT_STEP).startswith("in 1 of 4096 elements, by up to inf")

    def test_the_noise_of_another_configuration_widens_what_is_allowed(self) -> None:
        noisy = normal() + 0.01
        assert agreement.difference(normal(), noisy, FLOAT_STEP)
        assert agreement.difference(normal(), noisy, FLOAT_STEP, noise=0.005) == ""

    def test_8_bit_floats_are_compared(self) -> None:
        one = normal(dtype=torch.float8_e4m3fn)
        assert agreement.difference(one, one.clone(), 0.125) == ""
        assert agreement.difference(one, (one.float() * 4).to(torch.float8_e4m3fn), 0.125)

    def test_scalars_and_empty_tensors_are_compared(self) -> None:
        assert agreement.difference(torch.tensor(1.0), torch.tensor(2.0), FLOAT_STEP)
        assert agreement.difference(torch.empty(0), torch.empty(0), FLOAT_STEP) == ""

    def test_large_tensors_are_compared_in_pieces(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(agreement, "ONE_GO", 100)
        one = normal().view(64, 64)
        wrong = one.clone()
        wrong[0, 0] += 1
        wrong[-1, -1] += 1
        assert "in 2 of 4096" in agreement.difference(one, wrong, FLOAT_STEP)


class TestIntegers:
    def test_indices_must_be_equal(self) -> None:
        one = torch.arange(4096)
        other = one.clone()
        other[5] += 1
        assert agreement.difference(one, one.clone(), 0.0) == ""
        assert agreement.difference(one, other, 0.0) == "in 1 of 4096 elements, by up to 1"

    def test_a_rare_rounding_of_8_bits_is_no_difference(self) -> None:
        one = torch.zeros(4096, dtype=torch.int8)
        other = one.clone()
        other[5] = 1
        assert agreement.difference(one, other, 0.0) == ""
        other[5] = 2
        assert agreement.difference(one, other, 0.0)
        other[:100] = 1
        assert agreement.difference(one, other, 0.0)

    def test_booleans_are_compared(self) -> None:
        assert agreement.difference(torch.tensor([True, False]), torch.tensor([True, True]), 0.0)


class TestOpinions:
    def test_all_agree(self) -> None:
        found = agreement.opinions(2, runs(normal(), normal()), [0, 1])
        assert [each.agrees for each in found] == [True, True]

    def test_of_two_that_differ_neither_is_right(self) -> None:
        found = agreement.opinions(2, runs(normal(), normal() * 2), [0, 1])
        assert [each.agrees for each in found] == [False, False]
        assert found[1].problem.startswith("out_ptr0 differs from that of sub-kernel 0 in ")
        assert found[0].problem.startswith("out_ptr0 differs from that of sub-kernel 1 in ")

    @pytest.mark.parametrize("odd", [0, 1, 2])
    def test_of_three_the_odd_one_is_wrong(self, odd: int) -> None:
        outputs = [normal(), normal(), normal()]
        outputs[odd] = normal() * 2
        found = agreement.opinions(3, runs(*outputs), [0, 1, 2])
        assert [each.agrees for each in found] == [index != odd for index in range(3)]
        assert "differs from that of sub-kernel" in found[odd].problem

    def test_two_against_two_prove_nothing(self) -> None:
        found = agreement.opinions(4, runs(normal(), normal(), normal() * 2, normal() * 2), [0, 1, 2, 3])
        assert [each.agrees for each in found] == [False] * 4
        assert all(each.problem for each in found)

    def test_one_that_does_not_run_is_left_out(self) -> None:
        found = agreement.opinions(3, runs(normal(), None, normal()), [0, 2])
        assert [each.agrees for each in found] == [True, None, True]

    def test_one_alone_has_nobody_to_agree_with(self) -> None:
        assert agreement.opinions(2, runs(normal(), None), [0])[0].agrees is None

    def test_outputs_may_share_their_memory(self) -> None:
        buffer = torch.empty(4096)

        def run(index: int) -> Sequence[tuple[str, Any]]:
            return [("out_ptr0", buffer.copy_(normal() * (index + 1)))]

        assert [each.agrees for each in agreement.opinions(2, run, [0, 1])] == [False, False]


def test_noise_is_the_largest_difference() -> None:
    found = agreement.largest_differences([("a", normal())], [("a", normal() + 0.5)])
    assert found["a"] == pytest.approx(0.5, rel=1e-3)


def test_nan_is_found_among_floats_only() -> None:
    assert not agreement.has_nan([("a", normal()), ("b", torch.arange(3))])
    assert agreement.has_nan([("a", torch.tensor([1.0, float("nan")], dtype=torch.bfloat16))])
