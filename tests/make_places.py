"""Makes the places that tests open: a cache out of the sample, and logs and pickles as torch writes them."""

from __future__ import annotations

import hashlib
import json
import pickle
import zipfile
from pathlib import Path

from mkexplorer.catalog.places import sample_path

PREFIX = "V1122 14:23:53.{micros:06d} {process} torch/_inductor/graph.py:{line}] [0/0] [__output_code] "
TRACE_PREFIX = "V1122 14:23:53.882000 18488 torch/_logging/structured.py:27] "
MODULE = """\
# AOT ID: ['{graph}_inference']
from ctypes import c_void_p, c_long, c_int
import torch

multi_kernel_0 = async_compile.multi_kernel('multi_kernel_0', [
    triton_red_fused_softmax_0,
    triton_per_fused_softmax_1,
])
\tß ␛
if __name__ == "__main__":
    from torch._inductor.wrapper_benchmark import compiled_module_main
    compiled_module_main('None', benchmark_compiled_module)
"""


def module(graph: int = 0) -> str:
    """The least text that counts as a wrapper."""
    return MODULE.format(graph=graph)


def unpack_sample(folder: Path) -> Path:
    """The sample as the cache directory that it was made from."""
    with zipfile.ZipFile(sample_path()) as bundle:
        bundle.extractall(folder)
    (folder / "manifest.json").unlink()
    (folder / "record.json").unlink()
    return folder


def log_record(message: str, *, process: int = 18488, line: int = 2722, micros: int = 882000, front: str = "") -> str:
    """One record of ``TORCH_LOGS=output_code``, ``front`` being what a launcher puts before every line."""
    prefix = front + PREFIX.format(process=process, line=line, micros=micros)
    return "".join(f"{prefix}{line}\n" for line in message.split("\n"))


def log_of(text: str, *, process: int = 18488, front: str = "", micros: int = 882000) -> str:
    code = log_record(f"Output code: \n{text}", process=process, front=front, micros=micros)
    return code + log_record("Output code written to: /tmp/x/c.py", process=process, front=front, line=2733)


def trace_record(metadata: dict[str, object], payload: str) -> str:
    has = {"has_payload": hashlib.md5(payload.encode()).hexdigest()}
    header = TRACE_PREFIX + json.dumps({**metadata, "frame_id": 0, **has})
    return header + "".join(f"\n\t{line}" for line in payload.split("\n")) + "\n"


class Entry:
    """Stands for torch's ``CompiledFxGraph``: a pickle with binary data before and after the source."""

    def __init__(self, source_code: str) -> None:
        self.cubin = bytes(range(256)) * 8 + b"X\x10\x00\x00\x00"
        self.source_code = source_code
        self.constants = {"XBLOCK": 1024, "name": "X" * 300}


def fxgraph_entry(text: str, protocol: int = pickle.DEFAULT_PROTOCOL) -> bytes:
    return pickle.dumps(Entry(text), protocol)
