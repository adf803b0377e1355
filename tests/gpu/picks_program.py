"""A small model with multi-kernels; prints which sub-kernels the GPU ran, by the profiler.

Run as a program: ``TORCHINDUCTOR_CACHE_DIR=… TORCHINDUCTOR_MULTI_KERNEL=1 python picks_program.py``. The last line
is JSON: the names of the Triton reduction kernels that ran in the steps after the first.
"""

from __future__ import annotations

import json

import torch
import torch.nn.functional as functional
from torch.profiler import ProfilerActivity, profile


class Block(torch.nn.Module):  # type: ignore[misc]  # mypy does not follow torch
    """Layer norm, a linear map, RMS norm, softmax: one reduction each that Inductor writes in two ways."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = torch.nn.LayerNorm(width)
        self.linear = torch.nn.Linear(width, width)
        self.scale = torch.nn.Parameter(torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.linear(self.norm(x))
        y = y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + 1e-6) * self.scale
        y = self.linear(y)
        return functional.softmax(y, dim=-1)


def main() -> None:
    torch.manual_seed(0)
    x = torch.randn(4096, 1024, device="cuda")
    model = torch.compile(Block(1024).cuda())
    with torch.no_grad():
        model(x)
        torch.cuda.synchronize()
        with profile(activities=[ProfilerActivity.CUDA]) as profiler:
            model(x)
            torch.cuda.synchronize()
    ran = sorted({event.name for event in profiler.events() if event.name.startswith(("triton_red_", "triton_per_"))})
    print(json.dumps(ran))


if __name__ == "__main__":
    main()
