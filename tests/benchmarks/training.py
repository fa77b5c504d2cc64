"""Training speed of the architectures here: number formats, memory layout, compilation, recomputation.

    python tests/benchmarks/training.py                                      # small sizes, 64 pixels
    python tests/benchmarks/training.py --size paper --side 224 --names resnet50_hmscam --compile

Images a second of one step (forward, backward, AdamW) on random images, best of --repeat after a first one. Compilation
takes a minute or more for each network and is tried with --compile only. OMP_NUM_THREADS sets the threads of a CPU.
"""

import argparse
import time

import torch
from torch.nn.functional import cross_entropy

from leukoflow.config.training import Training
from leukoflow.models import inference, registry
from leukoflow.training import devices

WAYS = {
    "32-true": {},
    "bf16-mixed": {"precision": "bf16-mixed"},
    "channels last": {"channels_last": True},
    "recompute": {"recompute": True},
    "compile": {"compile": True},
}


def speed(name: str, size: str, side: int, batch: int, repeat: int, training: Training) -> float:
    """Images a second of one training step."""
    device = inference.best_device()
    torch.manual_seed(0)
    model = registry.build(name, 4, size).to(device).train()
    images = torch.randint(0, 256, (batch, side, side, 3), dtype=torch.uint8)
    y = (torch.arange(batch) % 4).to(device)
    network, compiled = devices.prepare(model, training, lambda: inference.to_input(images, device))
    if compiled.startswith("no:"):
        return float("nan")
    optimiser = torch.optim.AdamW(model.parameters())
    seconds = []
    for _ in range(repeat + 1):
        started = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=training.precision == "bf16-mixed"):
            loss = cross_entropy(network(inference.to_input(images, device)).float(), y)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return batch / min(seconds[1:])


def main() -> None:
    """Print one line for each architecture."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    networks = [network for network in registry.names() if registry.spec(network).reads == "images"]
    networks = [network for network in networks if registry.spec(network).fitting == "gradient"]
    arguments.add_argument("--names", nargs="+", default=networks, choices=networks)
    arguments.add_argument("--size", default="small")
    arguments.add_argument("--side", type=int, default=64)
    arguments.add_argument("--batch", type=int, default=32)
    arguments.add_argument("--repeat", type=int, default=3)
    arguments.add_argument("--compile", action="store_true")
    args = arguments.parse_args()
    ways = {title: options for title, options in WAYS.items() if title != "compile" or args.compile}
    print(f"{inference.best_device()}, {torch.get_num_threads()} threads; `auto` is {devices.precision('auto')}")
    print(f"{'images/s':20s}", *(f"{title:>14s}" for title in ways))
    for name in args.names:
        rates = (
            speed(name, args.size, args.side, args.batch, args.repeat, Training.model_validate(options))
            for options in ways.values()
        )
        print(f"{name:20s}", *(f"{rate:14.0f}" for rate in rates), flush=True)


if __name__ == "__main__":
    main()
