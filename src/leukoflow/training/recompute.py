"""Gradient checkpointing for any network: blocks keep their inputs and are computed again in the backward pass."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def recompute(network: nn.Module) -> int:
    """Make every block forget what it computed; returns their number. Values, gradients and state stay as they are.

    Blocks are the outermost members of sequences and lists of modules that have parameters. Dropout draws the same
    again; batch norms count a batch once.
    """
    blocks = list(_blocks(network))
    for block in blocks:
        _wrap(block)
    return len(blocks)


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        if isinstance(module, (nn.Sequential, nn.ModuleList)):
            if any(True for _ in child.parameters()):
                yield child
        else:
            yield from _blocks(child)


def _wrap(block: nn.Module) -> None:
    forward = block.forward

    def contexts() -> tuple[AbstractContextManager, AbstractContextManager]:
        return nullcontext(), _counted(block)

    def light(*args: Any, **options: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **options)
        return checkpoint(forward, *args, use_reentrant=False, context_fn=contexts, **options)

    block.forward = light  # type: ignore[method-assign]


@contextmanager
def _counted(block: nn.Module) -> Iterator[None]:
    """The batch is in the statistics already: no weight for it, and the count as before."""
    norms = [module for module in block.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    before: list[tuple[Any, Any]] = [(norm.momentum, getattr(norm, "warm", False)) for norm in norms]
    for norm in norms:
        norm.momentum, norm.warm = 0.0, True  # type: ignore[assignment]
    try:
        yield
    finally:
        for norm, (norm.momentum, norm.warm) in zip(norms, before, strict=True):
            norm.num_batches_tracked.sub_(1)  # type: ignore[operator,union-attr]
