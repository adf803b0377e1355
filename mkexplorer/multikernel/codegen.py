"""Generates the module that defines multi-kernels and calls them: Python to read, in the form that Inductor gives its.

What it holds, in this order: each sub-kernel's source under its own name, each multi-kernel with the module that runs
it, and `call`, which allocates, checks and calls; then `get_args`, with which the file runs on its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from keyword import iskeyword
from math import prod

from mkexplorer.catalog.definitions import code_hash

from .errors import DefinitionError
from .kernel import READ, TENSORS, ArgumentKind, MultiKernel, Workspace
from .meta import Constant
from .sources import kernel_text, one_line, run_module_text
from .state import MultiKernelState
from .values import literal

# What `mkexplorer.multikernel.runtime` has for the functions of a module.
_HELPERS = (
    "assert_size_stride",
    "empty_strided_cpu",
    "empty_strided_cuda",
    "get_raw_stream",
    "grid",
    "rand_strided",
)
# Names that a module uses itself; `float` writes an infinity.
TAKEN = frozenset({*_HELPERS, "AsyncCompile", "args", "async_compile", "call", "get_args", "torch", "float", "globals"})


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of the module: its variable, dtype ('float32'), sizes and strides in elements (contiguous without)."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    stride: tuple[int, ...] | None = None

    @property
    def layout(self) -> str:
        """Shape and stride as generated code writes them: ``(4096, 1024), (1024, 1)``."""
        stride = self.stride
        if stride is None:
            stride = tuple(prod(self.shape[axis + 1 :]) for axis in range(len(self.shape)))
        return f"{_sizes(self.shape)}, {_sizes(stride)}"


@dataclass(frozen=True)
class Call:
    """One call of a multi-kernel.

    ``numbers`` gives the value of every number and numel, by what the arguments pass; ``variables`` says which
    variable stands for a value of another name. Without a ``grid`` each sub-kernel launches with its own.
    """

    multi_kernel: MultiKernel
    numbers: Mapping[str, Constant] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    grid: tuple[str, ...] = ()

    def variable(self, value: str) -> str:
        """The variable in which the module has what the arguments call ``value``."""
        return self.variables.get(value, value)


@dataclass(frozen=True)
class GeneratedModule:
    """All that a module is generated from.

    ``inputs`` are what `call` gets, in order; ``allocated`` tensors are made before the first call that takes them.
    ``asserts_finite``: before each call it is asserted once of every tensor that it reads that none is NaN or
    infinite.
    """

    calls: tuple[Call, ...]
    inputs: tuple[Tensor, ...]
    allocated: tuple[Tensor, ...] = ()
    outputs: tuple[str, ...] = ()
    device: str = "cuda:0"
    asserts_finite: bool = False

    def __post_init__(self) -> None:
        names = [each.name for each in (*self.inputs, *self.allocated)]
        for position, name in enumerate(names):
            if not name.isidentifier() or iskeyword(name) or name in TAKEN:
                raise DefinitionError(f"a tensor cannot be called {name!r} in a module", "Give it another name.")
            if name in names[:position]:
                raise DefinitionError(f"two tensors of the module are called {name}", "Give one another name.")

    @property
    def device_type(self) -> str:
        return self.device.partition(":")[0]

    @property
    def device_index(self) -> int:
        return int(self.device.partition(":")[2] or 0)

    @property
    def stream(self) -> str:
        """What it calls its stream; the CPU has none."""
        return f"stream{self.device_index}" if self.device_type == "cuda" else "None"


def wrapper_text(module: GeneratedModule, cache: str = "") -> str:
    """The module's text. ``cache`` is the directory named in the comments that tell where a kernel's file is."""
    state = MultiKernelState(TAKEN)
    names = [state.define(call.multi_kernel) for call in module.calls]
    sub_kernels = [each for _, multi_kernel in state.defined for each in multi_kernel.sub_kernels]
    module = _with_free_names(module, {*names, *map(state.sub_kernel_name, sub_kernels), module.stream})
    functions = [*_call_function(module, names), "", "", *_get_args(module)]
    lines = [*_header(functions), *_definitions(state, module, cache), "async_compile.wait(globals())"]
    lines += ["del async_compile", "", "", *functions]
    lines += ["", "", 'if __name__ == "__main__":', "    call(get_args())"]
    return "\n".join(lines) + "\n"


def _with_free_names(module: GeneratedModule, taken: Collection[str]) -> GeneratedModule:
    """The module with other names for those tensors and workspaces that would hide what is ``taken``."""
    names = [each.name for each in (*module.inputs, *module.allocated)]
    names += [call.variable(each.name) for call in module.calls for each in call.multi_kernel.workspaces]
    used = {*TAKEN, *taken, *names}
    new: dict[str, str] = {}
    for name in names:
        if name in taken and name not in new:
            new[name] = free_name(name, used)
            used.add(new[name])
    if not new:
        return module

    def renamed(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return tuple(replace(each, name=new.get(each.name, each.name)) for each in tensors)

    def named_anew(call: Call) -> Call:
        return replace(
            call, variables={**new, **{value: new.get(name, name) for value, name in call.variables.items()}}
        )

    return replace(
        module,
        calls=tuple(map(named_anew, module.calls)),
        inputs=renamed(module.inputs),
        allocated=renamed(module.allocated),
        outputs=tuple(new.get(name, name) for name in module.outputs),
    )


def free_name(name: str, used: Collection[str]) -> str:
    """``name`` with as many underscores behind it as make it none of those ``used``."""
    while name in used:
        name += "_"
    return name


def quoted(text: str) -> str:
    """``text`` between triple quotes, on lines of its own."""
    return "'''\n" + text.replace("\\", "\\\\").replace("'''", r"\'\'\'") + "'''"


def _header(functions: Sequence[str]) -> list[str]:
    """The imports that the definitions and ``functions`` need."""
    used = [name for name in _HELPERS if any(f"{name}(" in line for line in functions)]
    return [
        "# Generated by mkexplorer.multikernel.",
        "import torch",
        "",
        "from mkexplorer.multikernel.runtime import (",
        *(f"    {name}," for name in ["AsyncCompile", *used]),
        ")",
        "",
        "async_compile = AsyncCompile(__file__)",
        "",
        "",
    ]


def _definitions(state: MultiKernelState, module: GeneratedModule, cache: str) -> Iterator[str]:
    written: set[str] = set()
    for name, multi_kernel in state.defined:
        sub_kernels = [(state.sub_kernel_name(each), each) for each in multi_kernel.sub_kernels]
        for own_name, sub_kernel in sub_kernels:
            if own_name in written:
                continue
            written.add(own_name)
            text = kernel_text(sub_kernel)
            yield f"# kernel path: {_kernel_path(text, cache)}"
            yield f"# Source Nodes: [], Original ATen: [{one_line(multi_kernel.operation)}]"
            device = module.device_type
            yield f"{own_name} = async_compile.triton({sub_kernel.name!r}, {quoted(text)}, device_str='{device}')"
            yield from ("", "")
        yield f"{name} = async_compile.multi_kernel({name!r}, ["
        yield f"    {', '.join(own_name for own_name, _ in sub_kernels)},"
        yield "],"
        yield f"    {quoted(run_module_text(multi_kernel))}"
        yield from (")", "", "")


def _kernel_path(text: str, cache: str) -> str:
    key = code_hash(text)
    return "/".join([*([cache.rstrip("/")] if cache else []), key[1:3], f"{key}.py"])


def _call_function(module: GeneratedModule, names: Sequence[str]) -> Iterator[str]:
    inputs = [each.name for each in module.inputs]
    yield "def call(args):"
    if inputs:
        yield f"    {', '.join(inputs)}{',' if len(inputs) == 1 else ''} = args"
    yield "    args.clear()"
    for each in module.inputs:
        yield f"    assert_size_stride({each.name}, {each.layout})"
    indent = "    "
    if module.device_type == "cuda":
        yield f"    with torch.cuda.device({module.device_index}):"
        yield f"        {module.stream} = get_raw_stream({module.device_index})"
        indent = "        "
    buffers = _Buffers(module)
    for name, call in zip(names, module.calls, strict=True):
        for line in _call(name, call, module, buffers):
            yield indent + line
    yield f"    return ({', '.join(module.outputs)}{',' if len(module.outputs) == 1 else ''})"


class _Buffers:
    """Which of the module's buffers are still to be made, and which will never be, in the course of its calls."""

    def __init__(self, module: GeneratedModule) -> None:
        self._module = module
        self._waiting = {each.name: each for each in module.allocated}
        self._dropped: dict[str, str] = {}

    def ready(self, name: str, call: Call, passed: Sequence[str]) -> Iterator[str]:
        """What has to be done before ``call``, which has the multi-kernel ``name`` and passes ``passed``."""
        for variable in passed:
            if variable in self._dropped:
                message = f"{name} takes {variable}, which every sub-kernel of {self._dropped[variable]} has dropped"
                raise DefinitionError(message, "Let that buffer be removed in no sub-kernel, or be taken by none.")
        for buffer, reused in call.multi_kernel.inplace_updates.items():
            self._waiting.pop(call.variable(buffer), None)
            yield f"{call.variable(buffer)} = {call.variable(reused)}; del {call.variable(reused)}  # reuse"
        for buffer in call.multi_kernel.removed_buffers:
            self._dropped[call.variable(buffer)] = name
        for variable in dict.fromkeys(passed):
            if variable in self._waiting:
                yield _allocation(self._waiting.pop(variable), self._module)


def _call(name: str, call: Call, module: GeneratedModule, buffers: _Buffers) -> Iterator[str]:
    passed = _passed(call, name)
    yield from buffers.ready(name, call, passed)
    for workspace in call.multi_kernel.workspaces:
        yield from _workspace(workspace, call, module)
    if module.asserts_finite:
        yield from _assertions(call)
    grid = f"grid({', '.join(map(repr, call.grid))})" if call.grid else "None"
    yield f"{name}.run({', '.join([*passed, f'grid={grid}', f'stream={module.stream}'])})"
    for workspace in call.multi_kernel.workspaces:
        yield f"del {call.variable(workspace.name)}"


def _passed(call: Call, name: str) -> list[str]:
    """What the call passes: variables and numbers, in the order of the multi-kernel's parameters."""
    values = [argument.passed for argument in call.multi_kernel.arguments if argument.kind is not ArgumentKind.NUMBER]
    passed = []
    for value in (*(each.passed for each in call.multi_kernel.arguments), *call.multi_kernel.numels):
        if value in call.numbers:
            passed.append(literal(call.numbers[value]))
        elif value in values:
            passed.append(call.variable(value))
        else:
            raise DefinitionError(f"the call of {name} gives no number for {value}", "Add it to the call's numbers.")
    return passed


def _allocation(tensor: Tensor, module: GeneratedModule) -> str:
    return f"{tensor.name} = empty_strided_{module.device_type}({tensor.layout}, torch.{tensor.dtype})"


def _workspace(workspace: Workspace, call: Call, module: GeneratedModule) -> Iterator[str]:
    variable = call.variable(workspace.name)
    yield _allocation(Tensor(variable, "uint8", (workspace.size_bytes,)), module)
    if workspace.is_zeroed:
        yield f"{variable}.zero_()"


def _assertions(call: Call) -> Iterator[str]:
    """An output holds anything before the call that writes it, so what is not read is not looked at."""
    arguments = call.multi_kernel.sub_kernels
    read = {each.passed for sub_kernel in arguments for each in sub_kernel.arguments if each.kind in READ}
    tensors = (each for each in call.multi_kernel.arguments if each.kind in TENSORS and each.passed in read)
    for variable in dict.fromkeys(call.variable(each.passed) for each in tensors):
        yield f"assert not {variable}.isnan().any().item(), '{variable} holds NaN'"
        yield f"assert not {variable}.isinf().any().item(), '{variable} holds an infinity'"


def _get_args(module: GeneratedModule) -> Iterator[str]:
    yield "def get_args():"
    for each in module.inputs:
        yield f"    {each.name} = rand_strided({each.layout}, device={module.device!r}, dtype=torch.{each.dtype})"
    yield f"    return [{', '.join(each.name for each in module.inputs)}]"


def _sizes(sizes: Sequence[int]) -> str:
    return f"({sizes[0]}, )" if len(sizes) == 1 else f"({', '.join(map(str, sizes))})"
