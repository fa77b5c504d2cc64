"""Images a second of each family of changes on one core, beside what a user would pick: Pillow, torchvision,
scikit-image.

`python tests/benchmarks/robustness.py [SIDE]` takes about a minute. The others are called as their documentation shows:
Pillow and scikit-image picture by picture, torchvision on the whole batch of 8-bit pictures.
"""

import importlib
import io
import os
import sys
import time
from collections.abc import Callable

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import cv2
import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageFilter
from skimage import color, util

from leukoflow.images.perturbations import FAMILIES
from leukoflow.models.layers.backbones import torchvision

torchvision()  # importable also if its compiled operators, JPEG among them, do not fit the installed torch
v2 = importlib.import_module("torchvision.transforms.v2")
functional = v2.functional

COUNT, SECONDS = 64, 0.6
LEVELS = {
    "gaussian_noise": 0.01, "salt_pepper": 0.05, "gaussian_blur": 2.0, "defocus": 3.0, "resolution": 0.5, "jpeg": 50,
    "occlusion": 0.1, "rotation": 15.0, "brightness": -0.25, "contrast": -0.25, "stain_shift": 0.2,
}  # fmt: skip


def with_pillow(change: Callable[[Image.Image], Image.Image]) -> Callable[[np.ndarray], object]:
    return lambda images: [np.asarray(change(Image.fromarray(image))) for image in images]


def with_torchvision(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[np.ndarray], object]:
    return lambda images: change(torch.from_numpy(images).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).numpy()


def compressed(image: Image.Image) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=50)
    return Image.open(stream)


def restained(images: np.ndarray) -> list[np.ndarray]:
    """Scikit-image's own colour deconvolution, the amounts of both stains changed."""
    factors = np.array([1.2, 0.8, 1.0])
    return [util.img_as_ubyte(color.hed2rgb(color.rgb2hed(image) * factors)) for image in images]


def others(side: int) -> dict[str, dict[str, Callable[[np.ndarray], object]]]:
    """What a user would pick, by family."""
    sigma, small = 2 * side / 224, side // 2
    noisy = {mode: lambda images, mode=mode: [util.img_as_ubyte(util.random_noise(image, mode)) for image in images]
             for mode in ("gaussian", "s&p")}  # fmt: skip
    blur = v2.GaussianBlur(2 * int(np.ceil(4 * sigma)) + 1, sigma)
    up = Image.Resampling.BILINEAR
    return {
        "gaussian_noise": {"scikit-image": noisy["gaussian"]},
        "salt_pepper": {"scikit-image": noisy["s&p"]},
        "gaussian_blur": {
            "Pillow": with_pillow(lambda image: image.filter(ImageFilter.GaussianBlur(sigma))),
            "torchvision": with_torchvision(blur),
        },
        "resolution": {
            "Pillow": with_pillow(
                lambda image: image.resize((small, small), Image.Resampling.BOX).resize((side, side), up)
            ),
            "torchvision": with_torchvision(
                lambda x: functional.resize(functional.resize(x, [small, small], antialias=True), [side, side])
            ),
        },
        "jpeg": {"Pillow": with_pillow(compressed)},
        "occlusion": {"torchvision": with_torchvision(v2.RandomErasing(1.0, (0.1, 0.1), (1, 1), 128))},
        "rotation": {
            "Pillow": with_pillow(lambda image: image.rotate(15, up)),
            "torchvision": with_torchvision(lambda x: functional.rotate(x, 15, functional.InterpolationMode.BILINEAR)),
        },
        "brightness": {
            "Pillow": with_pillow(lambda image: ImageEnhance.Brightness(image).enhance(0.75)),
            "torchvision": with_torchvision(lambda x: functional.adjust_brightness(x, 0.75)),
        },
        "contrast": {
            "Pillow": with_pillow(lambda image: ImageEnhance.Contrast(image).enhance(0.75)),
            "torchvision": with_torchvision(lambda x: functional.adjust_contrast(x, 0.75)),
        },
        "stain_shift": {"scikit-image": restained},
    }


def rate(work: Callable[[np.ndarray], object], images: np.ndarray) -> float:
    """Images a second, the best of the rounds that fit into the time, by processor time."""
    work(images)
    best, started = np.inf, time.process_time()
    while time.process_time() - started < SECONDS:
        before = time.process_time()
        work(images)
        best = min(best, time.process_time() - before)
    return len(images) / best


def main() -> None:
    """Measure and print."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    side = int(sys.argv[1]) if len(sys.argv) > 1 else 224
    images = np.random.default_rng(0).integers(0, 256, (COUNT, side, side, 3), dtype=np.uint8)
    images = np.stack([cv2.GaussianBlur(image, (9, 9), 3) for image in images])  # noise alone is unkind to JPEG
    beside = others(side)
    print(f"{side} x {side} pixels, {COUNT} images a batch, images a second of one core")
    for family, level in LEVELS.items():
        ours = rate(
            lambda batch, family=family, level=level: FAMILIES[family](batch, level, np.random.default_rng(0)), images
        )
        rates = {name: rate(work, images) for name, work in beside.get(family, {}).items()}
        text = ", ".join(f"{name} {value:,.0f} ({ours / value:.1f} x)" for name, value in rates.items())
        print(f"{family:16s} {ours:10,.0f}   {text}", flush=True)


if __name__ == "__main__":
    main()
