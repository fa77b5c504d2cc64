"""Random changes of training images: one affine resampling for a whole batch, on the batch's device."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from leukoflow.config.training import Augmentation, Optics
from leukoflow.core.seeding import generator
from leukoflow.training.stain import restain

LEAST_APERTURE, MOST_APERTURE = 0.3, 0.55
"""Radius of the disc that is left of an image, shares of its side."""


def augmented(x: Tensor, positions: Tensor, augmentation: Augmentation, seed: int, epoch: int) -> Tensor:
    """Geometry, light and stain of images float32 [B, 3, H, W] in [0, 1] changed; rows of features are left alone."""
    if x.ndim == 2:
        return x
    x = augment(x, positions, augmentation, seed, epoch)
    x = alone(x, positions, augmentation.optics.aperture, seed, epoch)
    x = restain(x, positions, augmentation.stain, seed, epoch)
    return refocus(x, positions, augmentation.optics, seed, epoch)


def augment(images: Tensor, positions: Tensor, augmentation: Augmentation, seed: int, epoch: int) -> Tensor:
    """Change images float32 [B, 3, H, W] in [0, 1]; the result depends on (seed, epoch, position) of each image only.

    Crop, mirror, shear, rotation and translation are one bilinear resampling with reflected borders; then brightness
    (factor 1 +- b) and contrast (factor 1 +- c about the image's mean), clipped to [0, 1].
    """
    draws = np.stack([generator(seed, "augment", epoch, int(position)).random(9) for position in positions])
    geometry = _inverse_affine(draws, augmentation)
    if not np.allclose(geometry, np.eye(2, 3)):
        theta = torch.from_numpy(geometry).to(images)
        grid = F.affine_grid(theta, list(images.shape), align_corners=False)
        images = F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    brightness, contrast = _symmetric(draws[:, 7:9]).T * [[augmentation.brightness], [augmentation.contrast]]
    if augmentation.brightness:
        images = images * torch.from_numpy(1 + brightness).to(images)[:, None, None, None]
    if augmentation.contrast:
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        images = mean + (images - mean) * torch.from_numpy(1 + contrast).to(images)[:, None, None, None]
    return images.clamp(0, 1)


def alone(images: Tensor, positions: Tensor, share: float, seed: int, epoch: int) -> Tensor:
    """Some of the images float32 [B, 3, H, W] without what is outside of a disc about the middle: it takes the colour
    that a tenth of the image's pixels exceed, channel by channel. What is drawn depends on (seed, epoch, position)."""
    if not share:
        return images
    draws = np.stack([generator(seed, "aperture", epoch, int(position)).random(2) for position in positions])
    height, width = images.shape[2:]
    rows, columns = torch.meshgrid(torch.linspace(-0.5, 0.5, height), torch.linspace(-0.5, 0.5, width), indexing="ij")
    away = torch.hypot(rows, columns).to(images)[None, None]
    chosen, radius = torch.from_numpy(draws).to(images).T[:, :, None, None, None]
    # A rim of three pixels between inside and outside.
    outside = ((away - LEAST_APERTURE - (MOST_APERTURE - LEAST_APERTURE) * radius) * width / 3 + 0.5).clamp(0, 1)
    ground = torch.quantile(images.flatten(2), 0.9, dim=2)[:, :, None, None]
    return torch.where(chosen < share, torch.lerp(images, ground, outside), images)


def refocus(images: Tensor, positions: Tensor, optics: Optics, seed: int, epoch: int) -> Tensor:
    """Images float32 [B, 3, H, W] in [0, 1] as of other microscopes and cameras: less detail, other gamma, noise. What
    is drawn for an image depends on (seed, epoch, position)."""
    if optics == Optics(aperture=optics.aperture):
        return images
    draw = [generator(seed, "optics", epoch, int(position)) for position in positions]
    uniform = np.stack([one.random(3) for one in draw])
    if optics.resolution < 1:
        shares = optics.resolution + uniform[:, 0] * (1 - optics.resolution)
        images = torch.cat([_coarser(image, share) for image, share in zip(images.split(1), shares, strict=True)])
    if optics.gamma:
        exponents = torch.from_numpy(np.exp(_symmetric(uniform[:, 1]) * optics.gamma)).to(images)
        images = images.clamp(min=1 / 255) ** exponents[:, None, None, None]
    if optics.noise:
        normal = np.stack([one.standard_normal(images.shape[1:], np.float32) for one in draw])
        deviations = torch.from_numpy(uniform[:, 2] * optics.noise).to(images)
        images = images + deviations[:, None, None, None] * torch.from_numpy(normal).to(images)
    return images.clamp(0, 1)


def _coarser(image: Tensor, share: float) -> Tensor:
    """An image [1, 3, H, W] shrunk to a share of its side and enlarged again."""
    height, width = image.shape[2:]
    small = max(8, round(height * share)), max(8, round(width * share))
    shrunk = F.interpolate(image, small, mode="bilinear", align_corners=False, antialias=True)
    return F.interpolate(shrunk, (height, width), mode="bilinear", align_corners=False)


def _symmetric(uniform: np.ndarray) -> np.ndarray:
    return 2 * uniform - 1


def _inverse_affine(draws: np.ndarray, augmentation: Augmentation) -> np.ndarray:
    """Matrices [B, 2, 3] from output to input coordinates (both -1 to 1 over the image)."""
    angle = _symmetric(draws[:, 0]) * math.radians(augmentation.rotation)
    shear = np.tan(_symmetric(draws[:, 1]) * math.radians(augmentation.shear))
    low, high = augmentation.scale
    zoom = np.sqrt(low + draws[:, 2] * (high - low))
    mirror_x = np.where(augmentation.flip_horizontal & (draws[:, 3] < 0.5), -1.0, 1.0)
    mirror_y = np.where(augmentation.flip_vertical & (draws[:, 4] < 0.5), -1.0, 1.0)
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.zeros((len(draws), 2, 3))
    # Rotation times shear times zoom and mirror.
    matrix[:, 0, 0], matrix[:, 0, 1] = cos * zoom * mirror_x, (cos * shear - sin) * zoom * mirror_y
    matrix[:, 1, 0], matrix[:, 1, 1] = sin * zoom * mirror_x, (sin * shear + cos) * zoom * mirror_y
    # Half a side is 1 in these coordinates, so a shift of a fraction of the side is twice that; the crop's centre may
    # lie anywhere that keeps the crop inside.
    room = np.maximum(0.0, 1 - zoom)
    shift = _symmetric(draws[:, 5:7])
    matrix[:, :, 2] = shift * (2 * augmentation.translation + room[:, None])
    return matrix
