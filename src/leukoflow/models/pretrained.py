"""Weights of a file, loaded into a network or its trunk: timm's own, or those that LeukoFlow saved."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import Tensor, nn

from leukoflow.config.models import Model, Partner
from leukoflow.config.weights import FETCHED
from leukoflow.core.errors import LeukoFlowError
from leukoflow.models import inputs
from leukoflow.models.inference import load_weights, save_tensors
from leukoflow.models.spec import ModelSpec

RANDOM = "random"
"""What is said of weights that were loaded from nowhere."""


@dataclass(frozen=True)
class Start:
    """What a network starts from."""

    words: str
    """For `model.json`: `random`, or where its weights are from."""
    loaded: tuple[str, ...]
    """Prefixes of the parameters that weights were loaded into."""
    inputs: dict[str, dict[str, Any]]
    """How the input of each part is scaled, for `model.json`."""


def start(
    network: nn.Module, spec: ModelSpec, name: str, entry: Model, file: Path | None, partner: Path | None = None
) -> Start:
    """Load what an entry of section models names for the trunk and for a partner, and scale their inputs accordingly.

    file, partner: the weights of each, None for random ones. Raises LeukoFlowError if the architecture has no trunk,
    and as `load` does.
    """
    if entry.weights is not None:
        trunk_of(spec, f"models.{name}.weights")
    words = _load_named(network, entry, file, f"models.{name}", spec.backbone)
    return _started(network, spec, name, entry, words, file, partner)


def go_on(
    network: nn.Module, spec: ModelSpec, name: str, entry: Model, file: Path | None, partner: Path | None = None
) -> Start:
    """The same where `file` holds what `save_trunk` wrote after self-supervised training."""
    where = f"models.{name}.self_supervised"
    if file is None:
        raise LeukoFlowError(f"{where}: --start must name what step pretrain has written")
    load(network, file, trunk_of(spec, where))
    return _started(network, spec, name, entry, words_of(file), file, partner)


def _started(
    network: nn.Module, spec: ModelSpec, name: str, entry: Model, words: str, file: Path | None, partner: Path | None
) -> Start:
    """The trunk is loaded; load the partner, if there is one, and set the scalings."""
    prefixes = tuple(
        prefix for prefix in spec.partner if any(name.startswith(prefix) for name, _ in network.named_parameters())
    )
    other = _load_named(network, entry.partner or Partner(), partner, f"models.{name}.partner", prefixes)
    loaded = (spec.backbone if file else ()) + (prefixes if partner else ())
    if prefixes and not words == other == RANDOM:
        words = f"{words}; partner: {other}"
    return Start(words, loaded, inputs.set_inputs(network, entry, name, file, partner))


def _load_named(
    network: nn.Module, entry: Model | Partner, file: Path | None, where: str, prefixes: tuple[str, ...]
) -> str:
    """Load an entry's weights; where they are from, or `random`."""
    if entry.weights is None or file is None:
        if (entry.weights is None) != (file is None):
            raise LeukoFlowError(f"{where}.weights: give a file of weights where this key is set, and only there")
        return RANDOM
    digest = load(network, file, prefixes, entry.sha256)
    source = entry.weights if entry.weights.startswith(FETCHED) else Path(entry.weights).name
    return f"{source} (sha256 {digest[:12]})"


def words_of(file: Path) -> str:
    """What `save_trunk` was told of where the weights are from."""
    words = inputs.facts_of(file).get("weights")
    if words is None:
        raise LeukoFlowError(f"{file}: does not say where its weights are from; delete it, run again")
    return str(words)


def save_trunk(file: Path, tensors: Mapping[str, Tensor], words: str, scaling: Mapping[str, Any]) -> None:
    """Write a trunk's tensors, in words where they are from, and how their input is scaled."""
    save_tensors(file, tensors, {inputs.METADATA: json.dumps({"weights": words, "input": scaling})})


def trunk_of(spec: ModelSpec, where: str) -> tuple[str, ...]:
    """Prefixes of the trunk's tensors; LeukoFlowError that names the config key if there is no trunk."""
    if not spec.backbone:
        raise LeukoFlowError(f"{where}: {spec.name} has no trunk of convolutions to load or to teach; remove this key")
    return spec.backbone


def trunk_tensors(network: nn.Module, trunk: tuple[str, ...]) -> dict[str, Tensor]:
    """Parameters and statistics of the trunk under their names in the whole network."""
    return {name: value for name, value in network.state_dict().items() if name.startswith(trunk)}


def load(network: nn.Module, file: Path, trunk: tuple[str, ...] = ("",), sha256: str | None = None) -> str:
    """Load a file into all tensors whose names start with one of the prefixes; returns the file's digest.

    The file has the names of the whole network, or those behind the prefix, as timm has. What else it holds is left
    where it belongs to a classifier: to a layer that is an identity here, or to a part that the trunk has not. Raises
    LeukoFlowError with the first tensor that is missing, has another shape, or has no place; and where the file is
    damaged, holds NaN or infinity, or has another digest.
    """
    tensors, digest = _read(file)
    if sha256 and digest != sha256:
        raise LeukoFlowError(f"{file}: sha256 is {digest}, the config says {sha256}; one of them is wrong")
    wanted = trunk_tensors(network, trunk)
    # Several prefixes are LeukoFlow's own names only.
    prefix = "" if len(trunk) > 1 or any(name in tensors for name in wanted) else trunk[0]
    state = {}
    for name, value in wanted.items():
        tensor = tensors.get(name.removeprefix(prefix))
        if tensor is None:
            if name.endswith(".num_batches_tracked"):  # a count that older files do not have
                continue
            raise _misfit(file, f"there is no tensor for {name}")
        if tensor.shape != value.shape:
            raise _misfit(file, f"{name} is {_shape(tensor)} in the file, {_shape(value)} in the network")
        state[name] = tensor
    _check_rest(network, file, tensors, {name.removeprefix(prefix) for name in wanted}, prefix)
    network.load_state_dict(state, strict=False)
    return digest


def _check_rest(network: nn.Module, file: Path, tensors: Mapping[str, Tensor], used: set[str], prefix: str) -> None:
    """Refuse the weights of a deeper network: they would fit, with layers left over."""
    parts = {name.split(".")[0] for name in used}
    removed = tuple(f"{name}." for name, layer in network.named_modules() if isinstance(layer, nn.Identity))
    for name in sorted(set(tensors) - used):
        if name.split(".")[0] in parts and not f"{prefix}{name}".startswith(removed):
            raise _misfit(file, f"{name} has no place in the network")


def _misfit(file: Path, what: str) -> LeukoFlowError:
    return LeukoFlowError(f"{file}: these are no weights of this network ({what}); give those of its name and size")


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"


def _read(file: Path) -> tuple[dict[str, Tensor], str]:
    try:
        with open(file, "rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return load_weights(file, "these weights are damaged, give others"), digest
    except (SafetensorError, OSError) as error:
        raise LeukoFlowError(f"{file}: cannot be read ({error}); give a safetensors file") from error
