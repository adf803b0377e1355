"""Programs that stand where a Python is expected and answer like the worker in one, or behave badly."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

HELLO = {
    "protocol": 2,
    "python": "3.12.3",
    "executable": "/somewhere/python",
    "torch": "2.11.0",
    "torch_error": "",
    "torch_key": "aa",
    "triton": "3.6.0",
    "triton_error": "",
    "gpus": [],
    "driver": None,
    "files": [],
}
_PROGRAM = """\
#!{python}
import json, os, signal, subprocess, sys, time

def answer(**content):
    print(json.dumps({{"id": request["id"], **content}}), flush=True)

hello = {hello}
{start}
for line in sys.stdin:
    request = json.loads(line)
    if request["job"] == "hello":
        answer(result=hello)
    else:
{job}
"""


def fake_python(path: Path, *, start: str = "", hello: Mapping[str, object] | None = None, job: str = "pass") -> str:
    """``start`` runs first and may change ``hello``, ``job`` runs for every request but hello.

    Both are Python, and ``answer`` is at hand.
    """
    greeting = json.dumps({**HELLO, **(hello or {})})
    indented = "\n".join(f"        {line}" for line in job.splitlines())
    hello_text = f"json.loads({greeting!r})"
    return script(path, _PROGRAM.format(python=sys.executable, start=start, hello=hello_text, job=indented))


def script(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o755)
    return str(path)
