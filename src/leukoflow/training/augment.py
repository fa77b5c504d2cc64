"""Random changes of training images: one affine resampling for a whole batch, on the batch's device."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from leukoflow.config.training import Augmentation
from leukoflow.core.seeding import generator
from leukoflow.training.stain import restain


def augmented(x: Tensor, positions: Tensor, augmentation: Augmentation, seed: int, epoch: int) -> Tensor:
    """Geometry, light and stain of images float32 [B, 3, H, W] in [0, 1] changed; rows of features are left alone."""
    if x.ndim == 2:
        return x
    x = augment(x, positions, augmentation, seed, epoch)
    return restain(x, positions, augmentation.stain, seed, epoch)


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
