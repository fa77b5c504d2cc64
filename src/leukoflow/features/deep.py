"""Pooled features of two frozen networks, for all images of a shard; goes on where an earlier attempt stopped."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from leukoflow.config.features import Backbone, DeepFeatures
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import reserve, write_text
from leukoflow.core.seeding import stream_seed
from leukoflow.models import inputs, pretrained
from leukoflow.models.inference import to_input
from leukoflow.models.inputs import Found
from leukoflow.models.layers.backbones import Standardise, as_maps, feature_network, resized

_FLUSHED = 8  # batches between two records of progress


@dataclass(frozen=True)
class Network:
    """A frozen network and where its weights are from."""

    model: nn.Module
    name: str
    channels: int
    """Channels of its last feature map."""
    weights: str
    """`random`, or what the config says."""
    sha256: str | None
    """Digest of the file of weights."""
    inputs: Found
    """How its input is scaled."""
    size: int | None = None
    """Side in pixels that pictures are resized to; None for as they come."""

    def facts(self) -> dict[str, Any]:
        """For `matrix.json`; `parameters` are those up to the last feature map."""
        parameters = sum(parameter.numel() for parameter in self.model.parameters())
        return {
            "name": self.name,
            "weights": self.weights,
            "sha256": self.sha256,
            "channels": self.channels,
            "parameters": parameters,
            "input": self.inputs.facts(),
            **({} if self.size is None else {"size": self.size}),
        }


def load_network(backbone: Backbone, file: Path | None, seed: int) -> Network:
    """Build a network of the config with the weights of a file, or with random ones (in evaluation mode, frozen).

    Random weights depend on the seed and the network's name alone. Raises LeukoFlowError for a name that timm does not
    have, and where the file is damaged, has another digest than the config says, or belongs to another network.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed(seed, "backbone", backbone.name))
        try:
            model = feature_network(backbone.name, backbone.size)
        except RuntimeError as error:
            raise LeukoFlowError(f"features: timm has no network {backbone.name!r} ({error})") from error
    digest = None
    if file is not None:
        digest = pretrained.load(model, file, sha256=backbone.sha256)
    channels = int(model.num_features)  # type: ignore[arg-type]
    wanted = inputs.find(backbone, backbone.name, "trunk", file, f"features, {backbone.name}: input_scaling")
    model.eval().requires_grad_(False)
    return Network(model, backbone.name, channels, backbone.weights or "random", digest, wanted, backbone.size)


def load_networks(features: DeepFeatures, files: Sequence[Path]) -> tuple[Network, ...]:
    """The networks of an entry; the files belong, in their order, to those that have weights.

    Raises LeukoFlowError if there are more or fewer files, and as `load_network`.
    """
    wanted = sum(backbone.weights is not None for backbone in features.backbones)
    if len(files) != wanted:
        raise LeukoFlowError(f"--weights: {len(files)} files for {wanted} networks with weights; give one for each")
    left = iter(files)
    return tuple(
        load_network(backbone, next(left) if backbone.weights else None, features.seed)
        for backbone in features.backbones
    )


class Extractor(nn.Module):
    """Images float32 [B, 3, H, W] in [0, 1] to rows [B, g * g * (C1 + C2)] of both networks' maps, averaged to g x g.

    Images are scaled for each network as its weights want it. Order in a row: network, channel, row, column; with g = 1
    these are the pooled features. Raises LeukoFlowError for a network without feature maps, or with maps smaller than
    g x g.
    """

    def __init__(self, networks: tuple[Network, ...], grid: int) -> None:
        super().__init__()
        self.scalings = nn.ModuleList(Standardise(network.name).set(network.inputs.scaling) for network in networks)
        self.models = nn.ModuleList(network.model for network in networks)
        # Through these go the last maps, so that whoever explains finds them in the same place in any network.
        self.last = nn.ModuleList(nn.Identity() for _ in networks)
        self.networks = networks
        self.grid = grid

    def forward(self, images: Tensor) -> Tensor:
        """Images to rows."""
        rows = zip(self.models, self.networks, self.scalings, self.last, strict=True)
        pooled = [self._pooled(model, network, scaling(images), last) for model, network, scaling, last in rows]
        return torch.cat(pooled, dim=1)

    def _pooled(self, model: nn.Module, network: Network, x: Tensor, last: nn.Module) -> Tensor:
        x = resized(x, network.size)
        maps = last(as_maps(model, model.forward_features(x), x))  # type: ignore[operator]
        if maps.ndim != 4 or maps.shape[1] != network.channels:
            raise LeukoFlowError(
                f"features: {network.name} has no feature maps (channels first); name a convolutional network or a ViT"
            )
        if min(maps.shape[2:]) < self.grid:
            size = "x".join(map(str, maps.shape[2:]))
            raise LeukoFlowError(
                f"features: maps of {network.name} are {size}, less than grid {self.grid}; lower grid, or give the "
                "view a larger size"
            )
        if self.grid == 1:  # the same numbers, in an operator that has a gradient in other formats
            return maps.mean(dim=(2, 3))
        return adaptive_avg_pool2d(maps, self.grid).flatten(1)


def rows_done(folder: Path) -> int:
    """How many rows an earlier attempt left in the folder."""
    record = folder / "done"
    return int(record.read_text()) if record.exists() else 0


@torch.inference_mode()
def extract(
    extractor: Extractor,
    gather: Callable[[np.ndarray], np.ndarray],
    count: int,
    batch_size: int,
    device: torch.device,
    folder: Path,
) -> Iterator[int]:
    """Fill `folder`/rows.npy, float32 [count, D], batch by batch; yield how many rows there are after each batch.

    gather: row numbers to images uint8 [k, H, W, 3]. What an earlier attempt wrote to the folder stays: the folder must
    belong to these very images, networks and code. Raises LeukoFlowError if features are not finite.
    """
    extractor = extractor.to(device).eval()
    width = sum(network.channels for network in extractor.networks) * extractor.grid**2
    done, file = rows_done(folder), folder / "rows.npy"
    folder.mkdir(parents=True, exist_ok=True)
    if not count:
        np.save(file, np.empty((0, width), np.float32))  # an empty file cannot be mapped
        return
    rows = np.lib.format.open_memmap(file, "r+" if done else "w+", np.float32, None if done else (count, width))
    reserve(file, file)
    for number, start in enumerate(range(done, count, batch_size), start=1):
        stop = min(start + batch_size, count)
        features = extractor(to_input(torch.from_numpy(gather(np.arange(start, stop))), device)).cpu().numpy()
        if not np.isfinite(features).all():
            names = " and ".join(network.name for network in extractor.networks)
            raise LeukoFlowError(f"features: {names} give features that are not finite; use other weights")
        rows[start:stop] = features
        if number % _FLUSHED == 0 or stop == count:
            rows.flush()
            write_text(folder / "done", str(stop))
        yield stop


def finish(folder: Path, target: Path) -> str:
    """Move the whole matrix to its target and remove the folder; returns a digest of the file."""
    file, digest = folder / "rows.npy", hashlib.blake2b(digest_size=16)
    with open(file, "rb") as stream:
        while piece := stream.read(2**24):
            digest.update(piece)
        os.fsync(stream.fileno())
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(file, target)
    shutil.rmtree(folder)
    return digest.hexdigest()
