"""What `inside_parts` compiles: many small reductions, and two blocks of models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as functional


@dataclass(frozen=True)
class Case:
    """``backward``: the gradients of the first input are asked for too, which compiles a second graph."""

    name: str
    function: Callable[..., Any]
    inputs: tuple[Any, ...]
    backward: bool = False


def softmax(x: Any) -> Any:
    return torch.softmax(x, -1)


def log_softmax(x: Any) -> Any:
    return torch.log_softmax(x, -1)


def layer_norm(x: Any, weight: Any, bias: Any) -> Any:
    return functional.layer_norm(x, (x.shape[-1],), weight, bias)


def rms_norm(x: Any, weight: Any) -> Any:
    return (x.float() * torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + 1e-6)).to(x.dtype) * weight


def residual_norm(x: Any, y: Any, weight: Any) -> Any:
    z = x + y
    return z, rms_norm(z, weight)


def normalized(x: Any) -> Any:
    return x / x.norm(dim=-1, keepdim=True)


def standardized(x: Any) -> Any:
    return (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-5)


def log_sum_exp(x: Any) -> Any:
    return torch.logsumexp(x, -1)


def row_sum(x: Any) -> Any:
    return x.float().sum(-1)


def entropy(x: Any) -> Any:
    probabilities = torch.softmax(x, -1)
    return -(probabilities * torch.log_softmax(x, -1)).sum(-1)


def cross_entropy(x: Any, target: Any) -> Any:
    return functional.cross_entropy(x, target)


def in_place_statistics(x: Any, running: Any) -> None:
    running.copy_(running * 0.9 + x.mean(dim=1) * 0.1)


def scratch(x: Any) -> Any:
    from torch._inductor import test_operators

    x = x.sum(dim=-1, keepdim=True) + x
    x = test_operators.realize(x)
    return x.sum(dim=-1, keepdim=True) + x


def _x(*shape: int, dtype: Any = torch.float32) -> Any:
    return torch.randn(*shape, device="cuda", dtype=dtype)


_SHAPES = ((4096, 4096), (16384, 1024), (512, 8192), (32768, 512), (128, 16000))
_BF16 = torch.bfloat16


def cases() -> Iterator[Case]:
    """Their multi-kernels are more than 60."""
    for number, (rows, columns) in enumerate(_SHAPES):
        dtype = _BF16 if number % 2 == 0 else torch.float32
        x = _x(rows, columns, dtype=dtype)
        weight, bias = _x(columns, dtype=dtype), _x(columns, dtype=dtype)
        size = f"{rows}x{columns} {str(dtype).removeprefix('torch.')}"
        for function in (softmax, log_softmax, normalized, standardized, log_sum_exp, row_sum, entropy):
            yield Case(f"{function.__name__} {size}", function, (x,))
        yield Case(f"layer_norm {size}", layer_norm, (x, weight, bias), backward=True)
        yield Case(f"rms_norm {size}", rms_norm, (x, weight), backward=True)
        yield Case(f"residual_norm {size}", residual_norm, (x, _x(rows, columns, dtype=dtype), weight))
        yield Case(f"in_place_statistics {size}", in_place_statistics, (x.float(), _x(rows)))
        yield Case(f"scratch {size}", scratch, (x.float(),))
    target = torch.randint(0, 16000, (2048,), device="cuda")
    yield Case("cross_entropy 2048x16000", cross_entropy, (_x(2048, 16000), target), backward=True)


def batch_norm_case() -> Case:
    return Case("batch_norm", torch.nn.BatchNorm2d(64).cuda(), (_x(32, 64, 28, 28),), backward=True)


class TransformerBlock(torch.nn.Module):  # type: ignore[misc]  # mypy does not follow torch
    def __init__(self, width: int = 1024, heads: int = 16) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = torch.nn.LayerNorm(width), torch.nn.LayerNorm(width)
        self.qkv, self.out = torch.nn.Linear(width, 3 * width), torch.nn.Linear(width, width)
        self.up, self.down = torch.nn.Linear(width, 4 * width), torch.nn.Linear(4 * width, width)

    def forward(self, x: Any) -> Any:
        batch, length, width = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        scores = torch.softmax(q @ k.transpose(-1, -2) * (width // self.heads) ** -0.5, -1)
        x = x + self.out((scores @ v).transpose(1, 2).reshape(batch, length, width))
        return x + self.down(functional.gelu(self.up(self.norm2(x))))


class LlamaBlock(torch.nn.Module):  # type: ignore[misc]  # mypy does not follow torch
    def __init__(self, width: int = 2048, heads: int = 16) -> None:
        super().__init__()
        self.heads = heads
        self.scale1 = torch.nn.Parameter(torch.ones(width))
        self.scale2 = torch.nn.Parameter(torch.ones(width))
        self.qkv = torch.nn.Linear(width, 3 * width, bias=False)
        self.out = torch.nn.Linear(width, width, bias=False)
        self.gate, self.up = (torch.nn.Linear(width, 5632, bias=False) for _ in range(2))
        self.down = torch.nn.Linear(5632, width, bias=False)

    def forward(self, x: Any) -> Any:
        batch, length, width = x.shape
        normed = rms_norm(x, self.scale1)
        q, k, v = self.qkv(normed).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        x = x + self.out(
            functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(x.shape)
        )
        normed = rms_norm(x, self.scale2)
        return x + self.down(functional.silu(self.gate(normed)) * self.up(normed))


def blocks() -> list[tuple[str, Any, Any]]:
    transformer = TransformerBlock().cuda().to(_BF16)
    llama = LlamaBlock().cuda().to(_BF16)
    return [
        ("transformer block", transformer, _x(8, 512, 1024, dtype=_BF16)),
        ("Llama-like block", llama, _x(4, 1024, 2048, dtype=_BF16)),
    ]
