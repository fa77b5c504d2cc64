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

_NO_ARCHITECTURES = {"registry", "spec", "inference", "layers"}


def names() -> tuple[str, ...]:
    """Registered names, sorted."""
    found = {module.name for module in pkgutil.iter_modules(leukoflow.models.__path__)}
    return tuple(sorted(found - _NO_ARCHITECTURES))


def module_name(name: str) -> str:
    """Import path of an architecture's module. Raises LeukoFlowError for an unknown name."""
    if name not in names():
        raise LeukoFlowError(f"architecture {name!r} does not exist; known: {', '.join(names())}")
    return f"leukoflow.models.{name}"


def spec(name: str) -> ModelSpec:
    """The frozen facts of an architecture."""
    return _module(name).SPEC


def build(name: str, num_classes: int = 4, size: str = "paper", **options: Any) -> "nn.Module":
    """A new model with random weights from the current random state.

    Options override those of the size. Raises LeukoFlowError for an unknown name, size or option.
    """
    module = _module(name)
    sizes = module.SPEC.sizes
    if size not in sizes:
        raise LeukoFlowError(f"models: {name} has no size {size!r}; known: {', '.join(sizes)}")
    try:
        return module.build(num_classes, **{**sizes[size], **options})
    except TypeError as error:
        raise LeukoFlowError(f"models: {name} does not take these options ({error})") from error


def _module(name: str) -> ModuleType:
    return import_module(module_name(name))
