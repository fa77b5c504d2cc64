"""What an exported model's maps are called and what is said of them."""

from operator import attrgetter
from typing import Any

from torch import nn

from leukoflow.explain.heat import METHODS, attention_methods, gradcam_methods, spec_of, target_layers
from leukoflow.explain.inside import inside_says
from leukoflow.explain.ranked import attention_says
from leukoflow.models.resnet50_hmscam import ResNetHMSCAM
from leukoflow.runtime.schema import MapKind

WHICHEVER = "Whichever the class."


def explained(model: nn.Module) -> dict[str, Any]:
    """What `runtime.schema.Export` has of a model's explanations: `maps`, `ranked`, `attention`, `inside`."""
    kinds = [_gradcam(model, name) for name in gradcam_methods(model)]
    kinds += [_attention(model, name) for name in attention_methods(model)]
    classifier = getattr(model, "classifier", None)
    ranked = list(getattr(model, "names", []))
    says = attention_says(classifier) if ranked and isinstance(classifier, nn.Module) else ""
    maps = [kind.model_dump() for kind in kinds]
    return {"maps": maps, "ranked": ranked, "attention": says, "inside": inside_says(model)}


def _gradcam(model: nn.Module, name: str) -> MapKind:
    trunks = _trunks(model)
    if name != "gradcam":
        trunk = trunks[int(name[-1]) - 1]
        text = f"Where the last map of {trunk} weighs in for the class that is named."
        return MapKind(name=name, title=f"Grad-CAM, {trunk}", text=text)
    if len(target_layers(model)) == 1:
        return MapKind(name=name, title="Grad-CAM", text="Where the network's last maps weigh in for the named class.")
    text = (
        f"Where the last maps of both trunks ({' and '.join(trunks)}) weigh in for the class that is named. Both are "
        "added in the unit of the logit, so that the trunk that does more for the answer does more to the map."
    )
    return MapKind(name=name, title="Grad-CAM, both trunks", text=text)


def _attention(model: nn.Module, name: str) -> MapKind:
    if name.startswith("stack"):
        index = int(name[-1]) - 1
        layers: Any = attrgetter(spec_of(model).attends)(model)
        trunk, layer = _trunks(model)[index], layers[index]
        gamma = float(layer.gamma)
        does = "it does nothing to the answer" if gamma == 0 else "its result is added to the map"
        text = (
            f"Self-attention of the fusion stack: how much each position of {trunk}'s map gives to all positions, on "
            f"average. {WHICHEVER} With its weight (gamma) of {gamma:.3g} {does}."
        )
        return MapKind(name=name, title=f"Self-attention of the stack, {trunk}", text=text)
    if isinstance(model, ResNetHMSCAM):
        text = f"The gate between 0 and 1 by which the module CSA multiplies each position of the last map. {WHICHEVER}"
        return MapKind(name=name, title="Spatial gate of HMSCAM", text=text)
    if name == "rollout":
        text = (
            "Attention of all blocks multiplied, each mixed half and half with what skips it (Abnar and Zuidema 2020). "
            f"{WHICHEVER}"
        )
        return MapKind(name=name, title=METHODS[name], text=text)
    text = (
        f"What {spec_of(model).title} gathers from each position in its last block of attention, mean over heads and "
        f"over what gathers. {WHICHEVER}"
    )
    return MapKind(name=name, title="Attention, last block", text=text)


def _trunks(model: nn.Module) -> list[str]:
    trunks: Any = getattr(model, "trunks", [])
    return list(trunks)
