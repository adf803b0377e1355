"""The parts of a wrapper that tell what its statements leave open: the graph's comments, the benchmark's inputs."""

from __future__ import annotations

from collections.abc import Iterator

from .layouts import DTYPES, Layout, sizes, strided_call

_LINE = 65_536
# The dtypes of nearly all arguments stand in the signatures of kernels. The search for any other reads the text
# again, which a hostile file must not multiply.
_MOST_LOOK_UPS = 200


def benchmark_part(text: str, start: int) -> int:
    """Where, behind ``start``, the functions begin that let a wrapper run on its own; else the end of the text.

    ``start`` is behind all definitions: with ``config.benchmark_kernel`` each kernel has a ``get_args`` of its own.
    """
    begin = text.find("\ndef get_args(", start)
    if begin < 0:
        begin = text.find("\ndef benchmark_compiled_module(", start)
    return begin if begin >= 0 else len(text)


class Hints:
    """Searched only for the names asked for. ``benchmark`` is the offset of the benchmark part."""

    def __init__(self, text: str, benchmark: int) -> None:
        self._text = text
        self._benchmark = benchmark
        self._found: dict[str, tuple[Layout, ...]] = {}

    def of(self, name: str) -> tuple[Layout, ...]:
        """What the surest part says of a variable, then what the other adds where that one leaves something open."""
        found = self._found.get(name)
        if found is None:
            if not name.isidentifier() or len(self._found) >= _MOST_LOOK_UPS:
                return ()
            found = self._found[name] = tuple(self._look_up(name))
        return found

    def _look_up(self, name: str) -> Iterator[Layout]:
        for part in (self._graph_node, self._random_input):
            told = part(name)
            if told is not None:
                yield told
                if told.dtype is not None and told.shape is not None:
                    return

    def _graph_node(self, name: str) -> Layout | None:
        """``#   %arg0_1 : Tensor "bf16[8192, 768][768, 1]cuda:0" = …`` (torch 2.9+)."""
        short, bracket, rest = self._rest_of_line(f'\n#   %{name} : Tensor "', 0).partition("[")
        if not bracket:
            return None
        shape, _, rest = rest.partition("][")
        dtype = DTYPES.get(short)
        stride = rest.partition("]")[0]
        return Layout(f"torch.{dtype}" if dtype else None, sizes(shape), sizes(stride), 0, name, "graph fragment")

    def _random_input(self, name: str) -> Layout | None:
        """The dtype only: the sizes are hints, numbers even where the graph has symbols."""
        call = self._rest_of_line(f"\n    {name} = rand_strided(", self._benchmark)
        found = strided_call(f"rand_strided({call}") if call else None
        return Layout(found.dtype, None, None, 0, name, "rand_strided") if found else None

    def _rest_of_line(self, before: str, start: int) -> str:
        found = self._text.find(before, start)
        if found < 0:
            return ""
        begin = found + len(before)
        return self._text[begin : begin + _LINE].partition("\n")[0]
