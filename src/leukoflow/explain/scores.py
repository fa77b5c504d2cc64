"""What a heat map is worth: where its heat lies, what its order does to the answer, what a scrambled network leaves."""

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, conv2d, interpolate, pad
from torch.nn.modules.batchnorm import _BatchNorm

from leukoflow.core.seeding import generator, stream_seed

SQUARES = 14
"""A picture is taken away in SQUARES x SQUARES squares, so that no method is helped by finer maps."""
RANKED = 28
"""Maps are ranked after being averaged to this many rows and columns."""
BLUR = 0.06
"""Standard deviation of the blur that stands for absence, in sides of the picture: more than most nuclei, so that
colours stay and shapes go."""


def share_inside(heat: Tensor, inside: Tensor) -> Tensor:
    """Share [n] of the heat [n, H, W] in a region of weights [n, H, W] in [0, 1]; NaN for a map without heat.

    The energy-based pointing game (Wang et al. 2020, doi 10.1109/CVPRW50498.2020.00020).
    """
    return (heat * inside).sum(dim=(1, 2)) / heat.sum(dim=(1, 2)).where(heat.amax(dim=(1, 2)) > 0, torch.nan)


def fitted(inside: Tensor, side: tuple[int, int]) -> Tensor:
    """A region bool [n, S, S] as weights float32 [n, H, W] over pictures letterboxed alike, of this size."""
    weights = inside.float()[:, None]
    if inside.shape[1] >= side[0]:
        return adaptive_avg_pool2d(weights, side)[:, 0]
    return interpolate(weights, size=side, mode="nearest")[:, 0]


def blurred(images: Tensor) -> Tensor:
    """Images [n, 3, H, W] blurred by a Gaussian of `BLUR` sides, edges repeated."""
    for axis in (2, 3):
        sd = BLUR * images.shape[axis]
        reach = min(round(3 * sd), images.shape[axis] - 1)
        offsets = torch.arange(-reach, reach + 1, device=images.device)
        kernel = torch.exp(-((offsets / sd) ** 2) / 2)
        kernel = (kernel / kernel.sum()).expand(3, 1, -1)
        margin = (0, 0, reach, reach) if axis == 2 else (reach, reach, 0, 0)
        padded = pad(images, margin, mode="replicate")
        images = conv2d(padded, kernel[..., None] if axis == 2 else kernel[:, :, None], groups=3)
    return images


def ranks(heat: Tensor, seed: int) -> Tensor:
    """Rank [n, SQUARES, SQUARES] of each square, 0 for the hottest; squares of equal heat in random order."""
    squares = adaptive_avg_pool2d(heat[:, None], SQUARES).flatten(1)
    # Rounded, for squares of a flat map differ by what averaging leaves.
    squares = (squares * 1e6).round()
    shuffled = torch.from_numpy(generator(seed, "explain", "ties").permutation(SQUARES**2)).to(heat.device)
    order = shuffled[squares[:, shuffled].argsort(dim=1, descending=True, stable=True)]
    return order.argsort(dim=1).view(-1, SQUARES, SQUARES)


@torch.inference_mode()
def deletion_insertion(
    model: nn.Module, images: Tensor, absent: Tensor, heat: Tensor, classes: Tensor, steps: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Areas [n] under the class's probability while squares are taken away, and while they are put back, hottest first.

    images, absent: float32 [n, 3, H, W], the pictures and what stands where a square is missing; heat: [n, H, W];
    classes: int64 [n]; trapezoids over `steps` equal steps. A good map has a small first and a large second area
    (Petsiuk et al. 2018, arXiv 1806.07421).
    """
    rank = interpolate(ranks(heat, seed)[:, None].float(), size=images.shape[2:], mode="nearest")
    whole, none = probability(model, images, classes), probability(model, absent, classes)
    deletion, insertion = (whole + none) / 2, (whole + none) / 2
    for step in range(1, steps):
        hot = rank < SQUARES**2 * step / steps
        deletion = deletion + probability(model, torch.where(hot, absent, images), classes)
        insertion = insertion + probability(model, torch.where(hot, images, absent), classes)
    return deletion / steps, insertion / steps


@torch.inference_mode()
def probability(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    """Probability [n] of each image's class."""
    return model(images).float().softmax(dim=1).gather(1, classes[:, None])[:, 0]


def rank_correlation(one: Tensor, other: Tensor) -> np.ndarray:
    """Spearman's correlation [n] of pairs of maps [n, H, W], averaged to `RANKED` squares a side.

    0 if only the other map is flat: nothing of the first is left in it. NaN if the first is.
    """
    first, second = (_centred_ranks(maps) for maps in (one, other))
    size = (first**2).sum(1) * (second**2).sum(1)
    product = np.divide((first * second).sum(1), np.sqrt(size), out=np.zeros(len(first)), where=size > 0)
    return np.where((first != 0).any(1), product, np.nan)


def _centred_ranks(maps: Tensor) -> np.ndarray:
    squares = adaptive_avg_pool2d(maps[:, None].float(), RANKED).flatten(1).cpu().numpy().astype(np.float64)
    ranked: np.ndarray = rankdata(squares.round(6), axis=1)
    return ranked - ranked.mean(1, keepdims=True)


@torch.no_grad()
def scramble(model: nn.Module, images: Tensor, seed: int, head_only: bool) -> None:
    """Shuffle the weights of the last linear layer, or of every layer, each among its own; changes the model.

    The cascading randomisation of Adebayo et al. 2018 (arXiv 1810.03292) in two steps, from the top. Shuffled weights
    keep their scale, and batch norms take their statistics from the images [n, 3, H, W], so that what is left is a
    working network that has learnt nothing, not a dead one.
    """
    layers = list(model.modules())
    if head_only:
        layers = [[layer for layer in layers if isinstance(layer, nn.Linear)][-1]]
    # The same weights on every device.
    random = torch.Generator().manual_seed(stream_seed(seed, "explain", "scramble"))
    for weights in (parameter for layer in layers for parameter in layer.parameters(recurse=False)):
        order = torch.randperm(weights.numel(), generator=random).to(weights.device)
        weights.copy_(weights.flatten()[order].view_as(weights))
    norms = [layer for layer in layers if isinstance(layer, _BatchNorm) and layer.track_running_stats]
    if not norms:
        return
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = 1.0
        norm.train()
    model(images)
    for norm in norms:
        norm.eval()
