"""What a sub-kernel's failure says of the next time."""

from __future__ import annotations

import pytest

from mkexplorer.multikernel.choosing import Choice, among_able, is_out_of_memory
from mkexplorer.multikernel.errors import MultiKernelError


def named(name: str, *bases: type[Exception]) -> type[Exception]:
    return type(name, bases or (Exception,), {})


OUT_OF_RESOURCES = "out of resource: shared memory, Required: 262144, Hardware limit: 232448"
CHOICE = Choice(0, (None, None))


@pytest.mark.parametrize(
    "error",
    [
        named("OutOfResources")("required, limit and name"),
        named("CompileTimeAssertionFailure", named("CompilationError"))("at 3:4"),
        named("PTXASError")("ptxas"),
        RuntimeError(f"No valid triton configs. OutOfResources: {OUT_OF_RESOURCES}"),
        RuntimeError("PassManager::run failed"),
        MultiKernelError("k cannot run with these arguments"),
        ValueError("too wide"),
        KeyError("BLOCK"),
    ],
)
def test_what_cannot_be_compiled_or_takes_more_than_there_is_or_is_wrong_code_never_runs(error: Exception) -> None:
    assert not is_out_of_memory(error)
    found = among_able(CHOICE, {1: error})
    assert (found.doubt, found.problems) == ("", {1: error})


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: unspecified launch failure"),
        OSError("Stale file handle"),
    ],
)
def test_anything_else_may_be_over_the_next_time(error: Exception) -> None:
    assert not is_out_of_memory(error)
    assert among_able(CHOICE, {1: error}).doubt == f"sub-kernel 1 failed: {type(error).__name__}: {error}"


def test_a_doubt_does_not_hide_the_other() -> None:
    disturbed = Choice(0, (None, None), doubt="something else used the GPU")
    found = among_able(disturbed, {1: RuntimeError("a hiccup")})
    assert found.doubt == "something else used the GPU; sub-kernel 1 failed: RuntimeError: a hiccup"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        named("OutOfMemoryError", RuntimeError)("Tried to allocate 2 GiB"),
        RuntimeError("Triton Error [CUDA]: out of memory"),
        RuntimeError("CUDA driver error: out of memory"),
        RuntimeError("CUDA_ERROR_OUT_OF_MEMORY"),
        RuntimeError("No valid triton configs. OutOfMemoryError: CUDA out of memory."),
        named("NoTritonConfigsError", RuntimeError)("No valid triton configs. OutOfMemoryError: CUDA out of memory."),
    ],
)
def test_a_lack_of_memory_is_known_by_its_class_or_its_text(error: Exception) -> None:
    assert is_out_of_memory(error)
    assert among_able(CHOICE, {1: error}).doubt
