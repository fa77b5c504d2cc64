"""The state of a training run after an epoch, in one safetensors file that is either whole or absent."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.finite import check_finite
from leukoflow.models.inference import save_tensors

Record = TypeVar("Record")


@dataclass(frozen=True)
class State(Generic[Record]):
    """History (one dataclass an epoch), weights of the best epoch so far, and that epoch's index in the history (None
    if no epoch is chosen)."""

    history: tuple[Record, ...]
    best: dict[str, Tensor]
    best_epoch: int | None = None


def digest_of(files: Iterable[Path], *facts: object) -> str:
    """What a checkpoint belongs to: 32 hex digits over the contents of files and over facts."""
    digest = hashlib.sha256()
    for file in files:
        with open(file, "rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    digest.update(" ".join(map(str, facts)).encode())
    return digest.hexdigest()[:32]


def save(
    path: Path,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    state: State[Record],
    average: nn.Module | None = None,
) -> None:
    """Write model, optimiser, average of the weights, best weights and history atomically."""
    moments = {
        f"{index}.{name}": value if isinstance(value, Tensor) else torch.tensor(value)
        for index, values in optimiser.state_dict()["state"].items()
        for name, value in values.items()
        if value is not None
    }
    tensors = {**_prefixed("model", model.state_dict()), **_prefixed("optimiser", moments)}
    tensors |= _prefixed("best", state.best)
    if average is not None:
        tensors |= _prefixed("average", average.state_dict())
    history = json.dumps([vars(epoch) for epoch in state.history])
    save_tensors(path, tensors, {"history": history, "best_epoch": json.dumps(state.best_epoch)})


def restore(
    path: Path,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    record: type[Record],
    average: nn.Module | None = None,
) -> State[Record]:
    """Load what `save` wrote into the model, the optimiser and the average; `record` is the history's dataclass.

    Raises LeukoFlowError for a damaged file."""
    try:
        with safe_open(path, framework="pt") as stream:
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 (no dict)
            metadata = stream.metadata()
            history, best_epoch = json.loads(metadata["history"]), json.loads(metadata.get("best_epoch", "null"))
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise LeukoFlowError(f"{path}: damaged checkpoint ({error}); delete it to train from the start") from error
    check_finite(path, tensors, "training had diverged: lower learning_rate, or delete it to train from the start")
    model.load_state_dict(_under("model", tensors))
    if average is not None:
        average.load_state_dict(_under("average", tensors))
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in _under("optimiser", tensors).items():
        index, name = key.split(".", 1)
        moments.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": moments})
    return State(tuple(record(**fields) for fields in history), _under("best", tensors), best_epoch)


def check_best(path: Path, state: State[Record], wanted: int) -> None:
    """Raise LeukoFlowError if the weights kept are of another epoch than the one that is the best by today's rules:
    the weights of that one are gone."""
    if state.best_epoch != wanted:
        raise LeukoFlowError(
            f"{path}: this checkpoint keeps the weights of another epoch than the best one (written by an older "
            "version); delete it to train from the start"
        )


def _prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": value for name, value in tensors.items()}


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(f"{prefix}."): value for name, value in tensors.items() if name.startswith(f"{prefix}.")}
