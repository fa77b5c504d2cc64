"""Speed of Grad-CAM: many images at a time, with the graph from the target layer on, and image by image with all of it.

    python tests/benchmarks/explain.py                                # small sizes, 64 pixels
    python tests/benchmarks/explain.py --size paper --side 224 --names neurallnet resnet50_hmscam

The other way is that of most Grad-CAM code: hooks, one image, one forward and one backward pass over the whole network.
Images a second on random images, best of --repeat, and the largest difference. OMP_NUM_THREADS sets the threads.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from operator import attrgetter

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from leukoflow.explain.heat import heat, stretched
from leukoflow.models import registry


def one_by_one(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    """Grad-CAM of each image alone."""
    maps = []
    for image, label in zip(images, classes, strict=True):
        kept: list[Tensor] = []
        layer = attrgetter(model.spec.target)(model)
        handle = layer.register_forward_hook(lambda _module, _inputs, output, kept=kept: kept.append(output))
        logits = model(image[None])
        handle.remove()
        kept[0].retain_grad()
        logits[0, label].backward()
        activation, gradient = kept[0].detach().mean(dim=0), kept[0].grad.mean(dim=0)
        cam = torch.relu((gradient.mean(dim=(1, 2), keepdim=True) * activation).sum(dim=0))
        whole = interpolate(cam[None, None], size=image.shape[1:], mode="bilinear", align_corners=False)
        maps.append(stretched(whole[0]))
        model.zero_grad()
    return torch.cat(maps)


def speed(function: Callable[[], Tensor], images: int, repeat: int) -> float:
    """Images a second, best of `repeat`."""
    seconds = []
    for _ in range(repeat):
        started = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - started)
    return images / min(seconds)


def main() -> None:
    """Print a line for each network."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument(
        "--names", nargs="+", default=["neurallnet", "resnet50_hmscam", "vgg19_mhsa", "customcnn_vit"]
    )
    arguments.add_argument("--size", default="small")
    arguments.add_argument("--side", type=int, default=64)
    arguments.add_argument("--images", type=int, default=32)
    arguments.add_argument("--repeat", type=int, default=3)
    options = arguments.parse_args()
    images, classes = torch.rand(options.images, 3, options.side, options.side), torch.arange(options.images) % 4
    for name in options.names:
        torch.manual_seed(0)
        model = registry.build(name, 4, options.size).train()
        with torch.no_grad():
            model(images[:8])
        model.eval()
        ways = [partial(way, model, images, classes) for way in (heat, one_by_one)]
        difference = (ways[0]() - ways[1]()).abs().max().item()
        batched, alone = (speed(way, options.images, options.repeat) for way in ways)
        print(f"{name:20} {batched:8.1f} {alone:8.1f} images/s  x{batched / alone:.1f}  difference {difference:.1e}")


if __name__ == "__main__":
    main()
