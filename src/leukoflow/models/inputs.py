"""The scaling that a network's weights want of their input: found for each part of a model, and set in it."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import nn

from leukoflow.config.features import Backbone
from leukoflow.config.inputs import BY_NETWORK, IMAGENET, OF_WEIGHTS, PRESETS, InputScaling
from leukoflow.config.models import Model, Partner
from leukoflow.core.errors import LeukoFlowError
from leukoflow.models.layers.backbones import Standardise, timm, torchvision

log = logging.getLogger(__name__)
Entry = Model | Partner | Backbone
METADATA = "leukoflow"
"""Key of the metadata of a safetensors file under which LeukoFlow keeps facts of the weights (JSON)."""
RANDOM = "random weights: ImageNet's"


@dataclass(frozen=True)
class Found:
    """A scaling, and in words where it is from."""

    scaling: InputScaling
    source: str

    def facts(self) -> dict[str, Any]:
        """For `model.json` and `matrix.json`: mean and sd for values in [0, 1], order of the channels, source."""
        return {
            "mean": list(self.scaling.mean),
            "sd": list(self.scaling.sd),
            "channels": self.scaling.channels,
            "source": self.source,
        }


def parts(model: nn.Module) -> dict[str, Standardise]:
    """The layers of a model that scale its input, by part; none in networks that take pictures as they are."""
    return {layer.part: layer for layer in model.modules() if isinstance(layer, Standardise)}


def find(entry: Entry, network: str, part: str, file: Path | None, key: str) -> Found:
    """What the input of one part is to be: as the config says, or as its weights were trained.

    network: as in `Standardise`. file: the part's weights, None for random ones. key: config key, for the warning. A
    file that does not say it, and is not known to timm, gets timm's default for the network, with a warning. Raises
    LeukoFlowError if the config asks for what Keras does, and it has no such network.
    """
    asked = entry.input_scaling
    if isinstance(asked, InputScaling):
        return Found(asked, "config")
    if asked in BY_NETWORK:
        of_network = BY_NETWORK[asked]
        if network not in of_network:
            raise LeukoFlowError(
                f"{key}: how Keras scales pictures for {network} is not known here; known: "
                f"{', '.join(sorted(of_network))}. Name another scaling, or give mean and sd"
            )
        return Found(of_network[network], f"config: {asked}")
    if asked != OF_WEIGHTS:
        return Found(PRESETS[asked], f"config: {asked}")
    if file is None:
        return Found(IMAGENET, RANDOM)
    stated = facts_of(file).get("input", {}).get(part)
    if stated is not None:
        return _read(stated, f"{file.name} ({stated['source']})", file)
    weights = entry.weights or ""
    if weights.startswith("hub:"):
        name = weights.removeprefix("hub:").partition("@")[0].rpartition("/")[2]
        known = _of_timm(name)
        if known is not None:
            return Found(known, f"timm's config of {name}")
    assumed = _default(network)
    log.warning(
        "%s: neither the weights nor timm say how their input is scaled; mean %s and sd %s are assumed (the default "
        "for %s). If they were trained otherwise, set this key",
        key, assumed.mean, assumed.sd, network,
    )  # fmt: skip
    return Found(assumed, f"default for {network}, assumed")


def set_inputs(
    model: nn.Module, entry: Model, name: str, file: Path | None, partner: Path | None = None
) -> dict[str, dict[str, Any]]:
    """Scale the input of every part of a model as its weights want it; the facts by part, for `model.json`.

    file, partner: weights that trunk and partner start from, None for random ones. Raises LeukoFlowError if the
    config asks for a scaling, and the network takes pictures as they are.
    """
    layers = parts(model)
    entries: dict[str, tuple[Entry, Path | None, str]] = {"trunk": (entry, file, f"models.{name}.input_scaling")}
    entries["partner"] = (entry.partner or Partner(), partner, f"models.{name}.partner.input_scaling")
    for part, (part_entry, _, key) in entries.items():
        if part not in layers and part_entry.input_scaling != OF_WEIGHTS:
            raise LeukoFlowError(
                f"{key}: this part of {entry.architecture} takes pictures in [0, 1] as they are; remove this key"
            )
    facts = {}
    for part, layer in layers.items():
        part_entry, weights, key = entries[part]
        choice = find(part_entry, layer.network, part, weights, key)
        layer.set(choice.scaling)
        facts[part] = choice.facts()
    return facts


def restore(model: nn.Module, facts: Mapping[str, Mapping[str, Any]], where: str | Path) -> None:
    """Scale as `model.json` says under `input`; where it says nothing, as older versions did: by ImageNet's."""
    layers = parts(model)
    if facts and set(facts) != set(layers):
        raise LeukoFlowError(f"{where}: the scaling of the input in model.json is of another network; train again")
    for part, part_facts in facts.items():
        layers[part].set(_read(part_facts, "", where).scaling)


def facts_of(file: Path) -> dict[str, Any]:
    """What LeukoFlow wrote into a safetensors file besides tensors; {} for files of others."""
    try:
        with safe_open(file, framework="pt") as stream:
            return json.loads((stream.metadata() or {}).get(METADATA, "{}"))
    except (SafetensorError, OSError, ValueError) as error:
        raise LeukoFlowError(f"{file}: cannot be read ({error}); give a safetensors file") from error


def _read(facts: Mapping[str, Any], source: str, where: str | Path) -> Found:
    try:
        return Found(InputScaling(**{key: facts[key] for key in ("mean", "sd", "channels")}), source)
    except (ValueError, KeyError, TypeError) as error:
        raise LeukoFlowError(f"{where}: the scaling of the input cannot be read ({error}); train again") from error


def _of_timm(name: str) -> InputScaling | None:
    """timm's config of a network, or of its weights (NETWORK.TAG); None for what timm does not know."""
    try:
        config = timm().models.get_pretrained_cfg(name)
    except RuntimeError:  # a tag that the network does not have
        return None
    return None if config is None else InputScaling(mean=config.mean, sd=config.std)


def _default(network: str) -> InputScaling:
    source, _, name = network.rpartition(":")
    if source == "torchvision":
        transforms = torchvision().models.get_model_weights(name).DEFAULT.transforms()
        return InputScaling(mean=tuple(transforms.mean), sd=tuple(transforms.std))
    return _of_timm(name) or IMAGENET
