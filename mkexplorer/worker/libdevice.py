"""NVIDIA's mathematical library for kernels, by name, with torch on the CPU: outside a compiler it has no bodies."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy
import torch

from .interpreted_values import as_torch, data_of, of_torch, tensor


def _fused(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    return (x.double() * y.double() + z.double()).to(z.dtype)


def _rounded_half_away(x: torch.Tensor) -> torch.Tensor:
    return torch.copysign(torch.floor(x.abs() + 0.5), x)


def _exponent(x: torch.Tensor) -> torch.Tensor:
    return (torch.frexp(x).exponent - 1).to(torch.int32)


def _to_int(x: torch.Tensor) -> torch.Tensor:
    return x.to(torch.int32)


def _leading_zeros(x: torch.Tensor) -> torch.Tensor:
    width = x.dtype.itemsize * 8
    return torch.tensor([width - (int(each) % 2**width).bit_length() for each in x.flatten()], dtype=torch.int32)


def _bits_set(x: torch.Tensor) -> torch.Tensor:
    width = x.dtype.itemsize * 8
    return torch.tensor([bin(int(each) % 2**width).count("1") for each in x.flatten()], dtype=torch.int32)


_FUNCTIONS: dict[str, Callable[..., torch.Tensor]] = {
    "abs": torch.abs,
    "floor": torch.floor,
    "ceil": torch.ceil,
    "trunc": torch.trunc,
    "exp2": torch.exp2,
    "sqrt": torch.sqrt,
    "rsqrt": torch.rsqrt,
    "copysign": torch.copysign,
    "nextafter": torch.nextafter,
    "sin": torch.sin,
    "cos": torch.cos,
    "tan": torch.tan,
    "log2": torch.log2,
    "exp": torch.exp,
    "cosh": torch.cosh,
    "sinh": torch.sinh,
    "tanh": torch.tanh,
    "atan2": torch.atan2,
    "atan": torch.atan,
    "asin": torch.asin,
    "acos": torch.acos,
    "log": torch.log,
    "log10": torch.log10,
    "log1p": torch.log1p,
    "acosh": torch.acosh,
    "asinh": torch.asinh,
    "atanh": torch.atanh,
    "expm1": torch.expm1,
    "hypot": torch.hypot,
    "erf": torch.erf,
    "erfinv": torch.erfinv,
    "erfc": torch.erfc,
    "lgamma": torch.lgamma,
    "fmod": torch.fmod,
    "pow": torch.pow,
    "ldexp": torch.ldexp,
    "fma": _fused,
    "fma_rn": _fused,
    "div_rn": torch.div,
    "add_rn": torch.add,
    "sub_rn": torch.sub,
    "mul_rn": torch.mul,
    "sqrt_rn": torch.sqrt,
    "rsqrt_rn": torch.rsqrt,
    "rcp_rn": torch.reciprocal,
    "rint": torch.round,
    "nearbyint": torch.round,
    "llrint": lambda x: torch.round(x).to(torch.int64),
    "round": _rounded_half_away,
    "llround": lambda x: _rounded_half_away(x).to(torch.int64),
    "isnan": lambda x: _to_int(torch.isnan(x)),
    "isinf": lambda x: _to_int(torch.isinf(x)),
    "signbit": lambda x: _to_int(torch.signbit(x)),
    "finitef": lambda x: _to_int(torch.isfinite(x)),
    "isfinited": lambda x: _to_int(torch.isfinite(x)),
    "exp10": lambda x: torch.pow(10.0, x),
    "remainder": lambda x, y: x - y * torch.round(x / y),
    "cbrt": lambda x: torch.copysign(x.abs().double().pow(1 / 3).to(x.dtype), x),
    "rcbrt": lambda x: torch.copysign(x.abs().double().pow(-1 / 3).to(x.dtype), x),
    "rhypot": lambda x, y: 1 / torch.hypot(x, y),
    "fdim": lambda x, y: torch.clamp(x - y, min=0),
    "ilogb": _exponent,
    "logb": lambda x: _exponent(x).to(x.dtype),
    "scalbn": torch.ldexp,
    "tgamma": lambda x: torch.exp(torch.lgamma(x)),
    "erfcx": torch.special.erfcx,
    "normcdf": torch.special.ndtr,
    "normcdfinv": torch.special.ndtri,
    "j0": torch.special.bessel_j0,
    "j1": torch.special.bessel_j1,
    "y0": torch.special.bessel_y0,
    "y1": torch.special.bessel_y1,
    "cyl_bessel_i0": torch.special.i0,
    "cyl_bessel_i1": torch.special.i1,
    "sinpi": lambda x: torch.sin(x * torch.pi),
    "cospi": lambda x: torch.cos(x * torch.pi),
    "fast_sinf": torch.sin,
    "fast_cosf": torch.cos,
    "fast_tanf": torch.tan,
    "fast_tanhf": torch.tanh,
    "fast_expf": torch.exp,
    "fast_exp10f": lambda x: torch.pow(10.0, x),
    "fast_logf": torch.log,
    "fast_log2f": torch.log2,
    "fast_log10f": torch.log10,
    "fast_powf": torch.pow,
    "fast_dividef": torch.div,
    "saturatef": lambda x: torch.clamp(x, 0, 1),
    "float_as_int": lambda x: x.view(torch.int32),
    "int_as_float": lambda x: x.view(torch.float32),
    "double_as_longlong": lambda x: x.view(torch.int64),
    "longlong_as_double": lambda x: x.view(torch.float64),
    "float2int_rn": lambda x: _to_int(torch.round(x)),
    "float2int_rz": lambda x: _to_int(torch.trunc(x)),
    "double2int_rn": lambda x: _to_int(torch.round(x)),
    "double2int_rz": lambda x: _to_int(torch.trunc(x)),
    "double2float_rn": lambda x: x.float(),
    "clz": _leading_zeros,
    "popc": _bits_set,
}


def replace() -> None:
    """In the module itself: kernels and torch's helpers look its functions up when they call them."""
    from torch._inductor.runtime.triton_helpers import libdevice as stubs

    for name, _ in inspect.getmembers(stubs, inspect.isfunction):
        setattr(stubs, name, _elementwise(_FUNCTIONS[name]) if name in _FUNCTIONS else _missing(name))


def _missing(name: str) -> Callable[..., Any]:
    def function(*_: Any, **__: Any) -> Any:
        raise NotImplementedError(f"libdevice.{name} has no substitute for Triton's interpreter")

    return function


def _elementwise(function: Callable[..., torch.Tensor]) -> Callable[..., Any]:
    def called(*values: Any, **_: Any) -> Any:
        arrays = numpy.broadcast_arrays(*_arrays(values))
        result = function(*[as_torch(array) for array in arrays]).reshape(arrays[0].shape)
        return tensor(of_torch(result), _triton_type(result.dtype))

    return called


def _arrays(values: Sequence[Any]) -> list[Any]:
    """Numbers written into a kernel take on the type of the first tensor beside them."""
    import triton.language as tl

    plain = [value.value if isinstance(value, tl.constexpr) else value for value in values]
    types = [data_of(value).dtype for value in plain if isinstance(value, tl.tensor)]
    kind = next((each for each in types if each.kind == "f"), types[0] if types else numpy.dtype("float32"))
    return [data_of(value) if isinstance(value, tl.tensor) else numpy.array(value, kind) for value in plain]


def _triton_type(dtype: torch.dtype) -> Any:
    import triton.language as tl

    return getattr(tl, str(dtype).partition(".")[2])
