"""Another program on the GPU: multiplies matrices until it is killed. ``python gpu_load.py SIZE``."""

from __future__ import annotations

import sys

import torch


def main(size: int) -> None:
    left = torch.randn(size, size, device="cuda", dtype=torch.bfloat16)
    print("running", flush=True)
    while True:
        for _ in range(20):
            left @ left
        torch.cuda.synchronize()


if __name__ == "__main__":
    main(int(sys.argv[1]))
