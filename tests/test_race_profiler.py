"""Torch's profiler as a stopwatch: beside nobody else's session, and without a word.

There is no GPU: the sessions see what the CPU does.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROGRAM = """
import json, os, sys, threading
import torch
from unittest import mock
from mkexplorer.race import cuda

cpu = torch.profiler.ProfilerActivity.CPU
facts = {}

def is_available():
    with mock.patch.object(torch.profiler, "supported_activities", return_value={torch.profiler.ProfilerActivity.CUDA}):
        return cuda.ProfilerStopwatch.is_available()

facts["nobody"] = is_available()
with mock.patch.object(torch.profiler, "ProfilerActivity", mock.Mock(CUDA=cpu)):
    with cuda._profile() as session:
        torch.ones(3) + 1
facts["events"] = len(session.profiler.kineto_results.events())
facts["left in the environment"] = os.environ.get("KINETO_LOG_LEVEL")
def failure():
    try:
        with cuda._profile():
            pass
    except RuntimeError as error:
        return str(error)

with cuda._session:
    facts["beside one of ours"] = failure()
with mock.patch.object(torch.profiler.profile, "__enter__", side_effect=RuntimeError("it cannot begin")):
    with mock.patch.object(torch.profiler, "ProfilerActivity", mock.Mock(CUDA=cpu)):
        facts["that cannot begin"] = failure()
facts["after one that could not begin"] = is_available()
with torch.profiler.profile(activities=[cpu]):
    facts["this thread"] = is_available()
    other = threading.Thread(target=lambda: facts.update({"another thread": is_available()}))
    other.start()
    other.join()
    facts["beside another one"] = failure()
with torch.profiler.profile(activities=[cpu], schedule=torch.profiler.schedule(wait=1, warmup=1, active=1)) as session:
    for step in ("waiting", "warming up", "active"):
        facts[step] = is_available()
        session.step()
facts["afterwards"] = is_available()
print(json.dumps(facts))
"""


@pytest.fixture(scope="module")
def done() -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-W", "ignore", "-c", PROGRAM], capture_output=True, text=True, check=True)


@pytest.fixture(scope="module")
def facts(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_it_sees_what_runs(facts: dict[str, object]) -> None:
    assert facts["nobody"] is True
    assert facts["events"] != 0


@pytest.mark.parametrize("who", ["this thread", "another thread", "waiting", "warming up", "active"])
def test_it_is_not_used_while_somebody_profiles(facts: dict[str, object], who: str) -> None:
    assert facts[who] is False


def test_it_does_not_begin_beside_another_session(facts: dict[str, object]) -> None:
    assert facts["beside another one"] == "somebody else has begun to profile"


def test_it_waits_for_no_other_thread(facts: dict[str, object]) -> None:
    """Which may wait for what this one is to send from another GPU."""
    assert facts["beside one of ours"] == "another thread of this program is measuring"


def test_a_session_that_cannot_begin_leaves_nothing_behind(facts: dict[str, object]) -> None:
    assert facts["that cannot begin"] == "it cannot begin"
    assert facts["after one that could not begin"] is True


def test_it_is_used_again_afterwards(facts: dict[str, object]) -> None:
    assert facts["afterwards"] is True


def test_it_writes_nothing_and_leaves_the_environment_alone(
    done: subprocess.CompletedProcess[str], facts: dict[str, object]
) -> None:
    assert "profiler_start" not in done.stderr
    assert facts["left in the environment"] is None
