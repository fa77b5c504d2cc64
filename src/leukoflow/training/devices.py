"""What training runs on: devices, precision, memory layout, compilation."""

import logging
import sys
from collections.abc import Callable
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from torch import Tensor, nn

from leukoflow.config.training import Training
from leukoflow.core.errors import LeukoFlowError
from leukoflow.training.recompute import recompute

log = logging.getLogger(__name__)


def start(training: Training, accelerator: str = "auto") -> Fabric:
    """Fabric on the recipe's devices. With several, this very command is started once more for each of the others.

    Raises LeukoFlowError if there are fewer devices, or none for that precision.
    """
    several = training.devices > 1
    try:
        fabric = Fabric(
            accelerator=accelerator,
            devices=training.devices,
            precision=precision(training.precision, accelerator),  # type: ignore[arg-type]
            # Frozen layers have no gradient to wait for.
            strategy="ddp_find_unused_parameters_true" if several else "auto",
            # Inside a job of SLURM, too, the processes are started here.
            plugins=[LightningEnvironment()] if several else None,
        )
    except (RuntimeError, ValueError) as error:
        wanted = f"{training.devices} x {training.precision}"
        raise LeukoFlowError(f"training.devices, training.precision: no {wanted} here ({error})") from error
    if several:
        fabric.launch()
    if not fabric.is_global_zero:
        logging.disable(logging.INFO)
    return fabric


def precision(wanted: str, accelerator: str = "auto") -> str:
    """The number format itself, `auto` resolved."""
    if wanted != "auto":
        return wanted
    if accelerator != "cpu" and torch.cuda.is_available():
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = any(getattr(torch.cpu, f"_is_{name}_supported")() for name in ("amx_tile", "avx512_bf16"))
    return "bf16-mixed" if fast else "32-true"


def prepare(network: nn.Module, training: Training, sample: Callable[[], Tensor]) -> tuple[nn.Module, str]:
    """The network as it is trained, sharing its parameters, and whether it is compiled: `yes`, `no`, or why not.

    sample: makes a batch, float32 [B, 3, H, W] or [B, k], on which the compiler is tried, forward and back.
    """
    if training.channels_last:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if training.recompute and not recompute(network):
        raise LeukoFlowError(f"training.recompute: {type(network).__name__} has no blocks; remove this key")
    if not training.compile:
        return network, "no"
    before = {name: value.clone() for name, value in network.state_dict().items()}
    compiled: Any = torch.compile(network)
    try:
        compiled.train()(sample()).sum().backward()
    except Exception as error:  # whatever a compiler may raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        log.warning("the network cannot be compiled and is trained without: %s", reason)
        return network, f"no: {reason}"
    finally:
        network.load_state_dict(before)
        network.zero_grad()
    return compiled, "yes"


def leave(fabric: Fabric) -> None:
    """End all processes but the first, which has what was learnt."""
    if not fabric.is_global_zero:
        sys.exit(0)


def share_of(positions: Any, fabric: Fabric) -> Any:
    """This process's share of a batch."""
    return positions[fabric.global_rank :: fabric.world_size]
