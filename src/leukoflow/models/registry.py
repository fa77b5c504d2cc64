"""Architectures by name. A name's file is imported only when it is asked for, so that a change of one architecture
concerns its own runs alone, and listing the names needs no deep-learning library."""

import pkgutil
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

import leukoflow.models
from leukoflow.core.errors import LeukoFlowError
from leukoflow.models.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn

_NO_ARCHITECTURES = {"registry", "spec", "inference", "inputs", "packages", "pretrained", "penultimate", "layers"}
_FAMILIES = {
    "cnn_vit": ("customcnn_vit", "resnet50_vit", "efficientnetb3_vit", "inceptionv3_vit", "efficientnetlite0_vit"),
    "baselines": (
        "alexnet", "resnet50", "resnet101", "vgg19", "vit_b16", "mobilenetv4_small", "efficientnet_b0", "densenet121",
        "efficientnet_lite0",
    ),
}  # fmt: skip
"""Files that hold several architectures."""
_WITH_MODULES = ("resnet50_hmscam",)
"""Those whose `ModelSpec` names `modules`, known here without importing any."""
_ATTENDING = (
    *_FAMILIES["cnn_vit"], "resnet50_hmscam", "vgg19_mhsa", "vit_b16",
)  # fmt: skip
"""Those whose `ModelSpec` names what `attends` to positions, or `modules`, known here likewise."""
_ATTENDING_TO_FEATURES = ("hybridcn_nas",)
"""Those whose `ModelSpec` says `attends_features`, known here likewise."""


def names() -> tuple[str, ...]:
    """Registered names, sorted."""
    modules = {module.name for module in pkgutil.iter_modules(leukoflow.models.__path__)} - _NO_ARCHITECTURES
    return tuple(sorted(name for module in modules for name in _FAMILIES.get(module, (module,))))


def module_name(name: str) -> str:
    """Import path of an architecture's module. Raises LeukoFlowError for an unknown name."""
    if name not in names():
        raise LeukoFlowError(f"architecture {name!r} does not exist; known: {', '.join(names())}")
    file = next((module for module, family in _FAMILIES.items() if name in family), name)
    return f"leukoflow.models.{file}"


def has_modules(name: str) -> bool:
    """Whether an architecture has modules of attention that can be compared (`ModelSpec.modules`)."""
    return name in _WITH_MODULES


def attends(name: str) -> bool:
    """Whether networks of an architecture can attend to positions (`ModelSpec.attends` or `modules`)."""
    return name in _ATTENDING


def attends_features(name: str) -> bool:
    """Whether models of an architecture can attend to single features (`ModelSpec.attends_features`)."""
    return name in _ATTENDING_TO_FEATURES


def spec(name: str) -> ModelSpec:
    """The frozen facts of an architecture."""
    module = _module(name)
    specs: tuple[ModelSpec, ...] = module.SPECS if hasattr(module, "SPECS") else (module.SPEC,)
    return next(spec for spec in specs if spec.name == name)


def build(name: str, num_classes: int = 4, size: str = "paper", **options: Any) -> "nn.Module":
    """A new model with random weights from the current random state; its attribute `spec` holds its facts.

    Options override those of the size. Raises LeukoFlowError for an unknown name, size or option.
    """
    facts = spec(name)
    if size not in facts.sizes:
        raise LeukoFlowError(f"models: {name} has no size {size!r}; known: {', '.join(facts.sizes)}")
    try:
        model = _module(name).build(num_classes, **{**facts.sizes[size], **options})
    except TypeError as error:
        raise LeukoFlowError(f"models: {name} does not take these options ({error})") from error
    model.spec = facts
    return model


def _module(name: str) -> ModuleType:
    return import_module(module_name(name))
