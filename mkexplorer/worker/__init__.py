"""The process that runs in the interpreter which holds the user's torch and triton; it needs no GPU.

Python 3.8 and later, torch 2.3 and later. It imports nothing of the rest of mkexplorer, which need not be installed
there, and nothing of mkexplorer imports it: `mkexplorer.picks.interpreter` starts it and talks to it.

The protocol, version 1
-----------------------
One JSON object per line. The client writes ``{"id": 7, "job": NAME, …arguments}``; the worker answers every line in
turn with ``{"id": 7, "result": {…}}`` or ``{"id": 7, "error": {"message": …, "detail": …}}``, where the message
is one line and the detail a traceback or empty. Whatever loaded code prints goes to standard error, never between
the answers. The worker ends, with all that it started, when its standard input does. Its client starts it in a new
session and in a folder ``mkexplorer-worker-…`` of its own; both remove that, and nothing is written elsewhere.

``hello``
    no arguments →
    ``protocol`` 1, ``python`` '3.12.3', ``executable``;
    ``torch``, ``triton`` versions, or null with the reason in ``torch_error``, ``triton_error``;
    ``torch_key`` torch's hash of its own sources in hex, or null;
    ``gpus`` names and ``driver`` version as NVIDIA's library tells them without CUDA, empty and null without one;
    ``files`` ``[[path, size or null, mtime_ns or null], …]``: while these stay as they are, so does all else in here.

``pick_parts``
    ``sub_kernels``: ``[{"key": stem of the kernel's file, "name": of its function, "text": of its file}, …]`` of one
    multi-kernel in index order. Executes the texts, as torch does when it loads a wrapper; compiles nothing →
    ``parts``, one per sub-kernel: ``{"cache_key", "size_hints", "triton_meta"`` (the last two as ``repr``),
    ``"written_backend"``: the hash of Triton and its backend that the code generator left in the kernel, or null,
    ``"own_backend"``: the same of this interpreter for that kernel's device, or null,
    ``"best_config"``: base name of the file in which this torch keeps the winner among its configurations, or null};
    ``path``: where this torch itself keeps the multi-kernel's pick, relative to its cache, POSIX.
"""

PROTOCOL = 1
