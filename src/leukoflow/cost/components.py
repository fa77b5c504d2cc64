"""The components of a built network: shapes, parameters, and which feeds which, from one picture passed through it.

Nothing is written down by hand. Hooks say what each module takes in and gives out, and every tensor is followed through
the operations between modules. On the meta device this needs no memory for weights, whatever the network's size.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

INPUT, OUTPUT = "input", "output"
MOST_PARTS = 12
"""Parts with parameters up to which a network of a library, or a row of blocks, is shown part by part."""
JOINS = {
    "iadd": "add", "mul": "multiply", "imul": "multiply", "cat": "concatenate", "bmm": "matmul",
    "scaled_dot_product_attention": "attention",
}  # fmt: skip
"""Names of operations that join the outputs of several components, where PyTorch's differ."""


@dataclass(frozen=True)
class Component:
    """One box of the diagram."""

    name: str
    """Path of the module; `input` and `output` for the ends, `PATH (own)` for parameters between modules, and
    `OPERATION NUMBER` for what joins the outputs of several components, such as `add 1`."""
    kind: str
    """Name of its class, or of the operation."""
    sources: tuple[str, ...]
    """Names of the components whose output it is computed from, in the order of running."""
    takes: tuple[int, ...]
    """Shape of its first input for one image, without the batch; time steps count as images."""
    gives: tuple[int, ...]
    """Shape of its output, likewise."""
    calls: int
    """How often it runs for one pass."""
    parameters: int


def components(model: nn.Module, x: Tensor) -> list[Component]:
    """Components of a network in the order of running, `input` first and `output` last; their parameters add up to the
    network's.

    x: one batch on the network's device, meta or another. Parts without parameters (activations, pooling) are no
    components; what passes them keeps its sources. Parameters that no component owns, such as learned positions, have
    an entry of the module that owns them. The network is left in evaluation mode.
    """
    model.eval()
    called = _called(model, x)
    boxes = dict(_boxes(model, called))
    parts: dict[str, _Seen] = {}
    flow = _Flow(parts)
    flow.note(x, frozenset([INPUT]))
    with _passing(flow) as stack:
        for name, module in boxes.items():
            stack.callback(module.register_forward_pre_hook(partial(_enter, flow, parts, name)).remove)
            stack.callback(module.register_forward_hook(partial(_leave, flow, parts, name)).remove)
        for module in model.modules():
            if not any(True for _ in module.parameters()):
                stack.callback(module.register_forward_hook(partial(_passed, flow)).remove)
        y = model(x)
    made = [Component(INPUT, "", (), _shape(x), _shape(x), 1, 0)]
    owned: set[int] = set()
    for name, seen in parts.items():
        parameters = list(boxes[name].parameters()) if name in boxes else []
        size = sum(parameter.numel() for parameter in parameters if id(parameter) not in owned)
        owned.update(id(parameter) for parameter in parameters)
        made.append(Component(name, seen.kind, _ordered(seen.sources, parts), seen.takes, seen.gives, seen.calls, size))
    for name, module in model.named_modules():
        rest = [parameter for parameter in module.parameters(recurse=False) if id(parameter) not in owned]
        if rest:
            owned.update(id(parameter) for parameter in rest)
            size = sum(parameter.numel() for parameter in rest)
            label = f"{name} (own)" if name else "(own)"
            made.append(Component(label, type(module).__name__, (), (), tuple(rest[0].shape), 1, size))
    made.append(Component(OUTPUT, "", _ordered(flow.of([y]), parts), _shape(y), _shape(y), 1, 0))
    return made


@dataclass
class _Seen:
    """What is noted of a component."""

    kind: str
    sources: set[str] = field(default_factory=set)
    takes: tuple[int, ...] = ()
    gives: tuple[int, ...] = ()
    calls: int = 0


class _Flow(TorchFunctionMode):
    """For every tensor, the components whose outputs it was computed from without passing another component."""

    def __init__(self, parts: dict[str, _Seen]) -> None:
        super().__init__()
        self.inside = 0
        """Components that are running: what they do within is their own."""
        self._parts = parts
        self._sources: dict[int, frozenset[str]] = {}
        self._kept: list[Tensor] = []
        """Tensors whose identities must not be given to others."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        tensors = [tensor for tensor in _tensors([args, kwargs or {}]) if self.of([tensor])]
        sources = self.of(tensors)
        result = func(*args, **(kwargs or {}))
        if not self.inside and len({self.of([tensor]) for tensor in tensors}) > 1:
            sources = frozenset([self._joined(func.__name__.strip("_"), sources, tensors[0], result)])
        for tensor in _tensors(result):
            self.note(tensor, sources)
        return result

    def _joined(self, operation: str, sources: frozenset[str], first: Tensor, result: Any) -> str:
        """Name of a new component that joins others."""
        kind = JOINS.get(operation, operation)
        name = f"{kind} {1 + sum(part.kind == kind for part in self._parts.values())}"
        output = next(_tensors(result), first)
        self._parts[name] = _Seen(kind, set(sources), _shape(first), _shape(output), 1)
        return name

    def of(self, values: Iterable[Any]) -> frozenset[str]:
        """Sources of all tensors in these values."""
        return frozenset().union(*(self._sources.get(id(tensor), frozenset()) for tensor in _tensors(values)))

    def note(self, tensor: Tensor, sources: frozenset[str]) -> None:
        """Say where a tensor is from."""
        self._sources[id(tensor)] = sources
        self._kept.append(tensor)


def _tensors(values: Any) -> Iterator[Tensor]:
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, dict):
        yield from _tensors(values.values())
    elif isinstance(values, Iterable) and not isinstance(values, (str, torch.Size)):
        for value in values:
            yield from _tensors(value)


def _passing(*modes: TorchFunctionMode) -> ExitStack:
    """Under which a picture passes: no gradients, and attention whose parts can be followed."""
    stack = ExitStack()
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    stack.callback(torch.backends.mha.set_fastpath_enabled, fast)
    stack.enter_context(torch.no_grad())
    for mode in modes:
        stack.enter_context(mode)
    return stack


def _called(model: nn.Module, x: Tensor) -> set[str]:
    """Paths of the modules that a picture passes."""
    names: set[str] = set()
    with _passing() as stack:
        for name, module in model.named_modules():
            stack.callback(module.register_forward_hook(lambda *_, name=name: names.add(name)).remove)
        model(x)
    return names


def _boxes(
    model: nn.Module, called: set[str], path: str = "", library: bool = False
) -> Iterator[tuple[str, nn.Module]]:
    """Modules that are components: parts of ours, and of a library's network its own parts, whole."""
    for name, child in model.named_children():
        full = f"{path}.{name}" if path else name
        if not any(True for _ in child.parameters()):
            continue
        inside = [inner for inner in called if inner.startswith(f"{full}.")]
        if full in called and (library or not _opened(child)):
            yield full, child
        elif inside:
            yield from _boxes(child, called, full, library or not _is_plain(child))


def _opened(module: nn.Module) -> bool:
    """Whether a part is shown by its own parts: ours, and what consists of few parts that have parts themselves.

    Of our layers only those with attention of several heads are opened.
    """
    children = [child for child in module.children() if any(True for _ in child.parameters())]
    if not children or isinstance(module, nn.MultiheadAttention):
        return False
    if type(module).__module__.startswith("leukoflow.models.layers."):
        return any(isinstance(child, nn.MultiheadAttention) for child in children)
    if type(module).__module__.startswith("leukoflow."):
        return True
    several = any(any(True for _ in child.children()) for child in children)
    return several and len(children) <= MOST_PARTS


def _is_plain(module: nn.Module) -> bool:
    """Whether a module is ours, or a mere row of modules."""
    return isinstance(module, (nn.Sequential, nn.ModuleList)) or type(module).__module__.startswith("leukoflow.")


def _enter(flow: _Flow, parts: dict[str, _Seen], name: str, module: nn.Module, inputs: tuple[Any, ...]) -> None:
    flow.inside += 1
    seen = parts.setdefault(name, _Seen(type(module).__name__))
    seen.sources |= flow.of(inputs)
    seen.calls += 1
    first = next(_tensors(inputs), None)
    seen.takes = seen.takes or (() if first is None else _shape(first))


def _leave(flow: _Flow, parts: dict[str, _Seen], name: str, module: nn.Module, inputs: Any, output: Any) -> None:
    flow.inside -= 1
    for tensor in _tensors(output):
        parts[name].gives = parts[name].gives or _shape(tensor)
        flow.note(tensor, frozenset([name]))


def _passed(flow: _Flow, module: nn.Module, inputs: Any, output: Any) -> None:
    """What passes a part without parameters keeps its sources, also if its operations cannot be followed."""
    for tensor in _tensors(output):
        if not flow.of([tensor]):
            flow.note(tensor, flow.of(inputs))


def _shape(x: Tensor) -> tuple[int, ...]:
    return tuple(x.shape[1:])


def _ordered(sources: Iterable[str], parts: dict[str, _Seen]) -> tuple[str, ...]:
    order = {name: index for index, name in enumerate([INPUT, *parts])}
    return tuple(sorted(sources, key=order.__getitem__))
