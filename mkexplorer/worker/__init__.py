"""The process that runs in the interpreter which holds the user's torch and triton.

Python 3.8 and later, torch 2.3 and later. Of the rest of mkexplorer, which need not be installed there, it imports
`mkexplorer.race` alone, and nothing of mkexplorer imports it: `mkexplorer.client` starts it and talks to it.

The protocol, version 2
-----------------------
One JSON object per line. The client writes ``{"id": 7, "job": NAME, …arguments}``; the worker answers every line in
turn with ``{"id": 7, "result": {…}}`` or ``{"id": 7, "error": {"message": …, "detail": …}}``, where the message
is one line and the detail a traceback or empty. ``"poisoned": true`` in an error says that the process is of no more
use (its CUDA context is broken), and the client replaces it. Before the answer any number of
``{"id": 7, "progress": {…}}`` may come. Whatever loaded code prints goes to standard error, never between the
answers. The worker ends, with all that it started, when its standard input does; to cancel a job the client kills it.
Its client starts it in a new session and in a folder ``mkexplorer-worker-…`` of its own; both remove that, and nothing
is written elsewhere but what Triton compiles (``TRITON_CACHE_DIR``). All times are in microseconds.

``hello``
    ``with_cuda`` (optional, false), ``with_keys`` (optional, true) →
    ``protocol`` 2, ``python`` '3.12.3', ``executable``;
    ``torch``, ``triton`` versions, or null with the reason in ``torch_error``, ``triton_error``;
    ``torch_key`` torch's hash of its own sources in hex, or null; without ``with_keys`` null, and nothing is put in the
    place of a GPU's driver, so that one can be used afterwards;
    ``gpus`` names and ``driver`` version as NVIDIA's library tells them without CUDA, empty and null without one;
    ``files`` ``[[path, size or null, mtime_ns or null], …]``: while these stay as they are, so does all else in here;
    ``cuda``, only with ``with_cuda``: whether torch has a GPU that works, or the reason why one that is there does not.

``pick_parts``
    ``sub_kernels``: ``[{"key": stem of the kernel's file, "name": of its function, "text": of its file}, …]`` of one
    multi-kernel in index order. Executes the texts, as torch does when it loads a wrapper; compiles nothing →
    ``parts``, one per sub-kernel: ``{"cache_key", "size_hints", "triton_meta"`` (the last two as ``repr``),
    ``"written_backend"``: the hash of Triton and its backend that the code generator left in the kernel, or null,
    ``"own_backend"``: the same of this interpreter for that kernel's device, or null,
    ``"best_config"``: base name of the file in which this torch keeps the winner among its configurations, or null};
    ``path``: where this torch itself keeps the multi-kernel's pick, relative to its cache, POSIX.

``bench``
    ``device``: 'cuda' or 'interpreter' (then the worker was started with ``TRITON_INTERPRET=1``);
    ``sub_kernels``: as for ``pick_parts``, each also with ``"best_configs"``: the texts of the ``.best_config`` files
    that may be its own by base name; ``"configuration"``: ``{"XBLOCK": 1, …, "num_warps", "num_stages"}`` of the
    recorded winner, used where none of those is its own, or null; ``"takes"``: the indices of the arguments that it
    takes, in order, or null for all of them;
    ``arguments``: null where the wrapper does not tell them, else what the call passes, in order:
    ``{"kind": "tensor", "name", "dtype": "float32", "shape", "stride", "offset"}`` (in elements) or
    ``{"kind": "number", "name", "value"}``;
    ``picked``: index or null; ``with_stock``: whether torch's own benchmark runs too; ``memory_limit_bytes`` or null.
    Progress: ``stage`` 'loading', 'tuning', 'checking', 'racing' or 'hot', ``sub_kernel`` index or null,
    ``done`` of ``total`` steps, ``times_us``: per sub-kernel the new cold samples, or null →
    ``device``; ``arguments``: 'given', 'get_args' or 'estimated'; ``bytes_moved`` or null; ``sub_kernels``:
    ``[{"cold", "hot"``: ``{"median_us", "q1_us", "q3_us", "n"}`` or null, ``"samples_us"``: the cold ones in the order
    of the rounds, ``"stock_us"`` or null, ``"resources"``: ``{"registers", "spills", "shared_bytes"}`` or null,
    ``"configuration"``, ``"agrees"``: whether its outputs are right, or null where that is not known, ``"problem"``};
    ``ruling``: ``{"verdict": 'FASTER', 'SAME' or 'UNSURE', "best", "rival", "ratio", "low", "high"}`` or null,
    and ``"high"`` null where the interval has no end; ``rounds``, ``gpu_us``, ``wall_us`` (without loading, tuning and
    torch's own benchmark); ``environment``: ``{"gpu", "driver", "torch", "triton", "sm_clock_mhz"``, each or null,
    ``"throttled"``: reasons, ``"contended"``: by whom or '', ``"copy_gb_per_s"`` or null}; ``notes``.
    In the interpreter only the first and last elements along every dimension are computed, but of those everything;
    times are the host's, there is no ruling, and ``notes`` begin with 'interpreter, not a GPU time'.

``resources``
    ``target``: 'cuda:90:32' (backend, architecture, warp size); ``sub_kernels`` as for ``bench``, without ``takes``.
    Compiles on no GPU → ``sub_kernels``: ``[{"configuration", "registers", "spills", "shared_bytes", "occupancy"``
    (0 to 1), each or null, ``"problem"``: why there are none, or ''}].
"""

PROTOCOL = 2
