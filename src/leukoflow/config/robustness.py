"""Section `evaluation.robustness`: changes that test images are put through, to see whether predictions hold."""

from typing import Annotated

from pydantic import Field

from leukoflow.config.base import Section

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, lt=1)]
Change = Annotated[float, Field(ge=-1, le=1)]


class Robustness(Section):
    """Changed images. After the first three, every key is a family of changes with its levels, and an empty list leaves
    the family out. The levels include those of the papers. Views of kind `normalised` and `grey` are made again of the
    changed plain view, where the study has one of their size; other views are changed themselves."""

    images: int = Field(1000, ge=1)
    """Test images, drawn at random if there are more. Each is predicted once for every level, and unchanged."""
    seed: int = Field(42, ge=0)
    """Seed of that draw and of every change that has something random."""
    module_images: int = Field(48, ge=2)
    """Test images on which modules of attention are compared, changed against unchanged."""
    gaussian_noise: tuple[Positive, ...] = (0.001, 0.005, 0.01, 0.05, 0.1, 0.2)
    """Variance of noise added to each channel of each pixel, on a scale of 0 to 1."""
    salt_pepper: tuple[Share, ...] = (0.01, 0.02, 0.05, 0.1)
    """Share of the pixels that turn black or white, half each."""
    gaussian_blur: tuple[Positive, ...] = (0.5, 1.0, 1.5, 2.0, 3.0)
    """Standard deviation in pixels of a picture 224 pixels wide; other sizes are blurred in proportion."""
    defocus: tuple[Positive, ...] = (1.0, 2.0, 3.0, 4.0)
    """Radius of the disc that a point becomes out of focus, in pixels of a picture 224 pixels wide."""
    resolution: tuple[Share, ...] = (0.75, 0.5, 0.25, 0.125)
    """Share of the side that the picture is shrunk to, before it is enlarged again."""
    jpeg: tuple[Annotated[int, Field(ge=1, le=100)], ...] = (90, 70, 50, 30, 10)
    """Quality of JPEG compression."""
    occlusion: tuple[Share, ...] = (0.05, 0.1, 0.15, 0.25)
    """Share of the area that a grey square covers, at a place drawn for each image."""
    rotation: tuple[Annotated[float, Field(gt=0, le=180)], ...] = (5.0, 10.0, 15.0, 20.0)
    """Degrees, to a side drawn for each image."""
    brightness: tuple[Change, ...] = (-0.5, -0.25, 0.25, 0.5)
    """Relative change of every channel."""
    contrast: tuple[Change, ...] = (-0.5, -0.25, 0.25, 0.5)
    """Relative change of the distance of every channel from the image's mean grey."""
    stain_shift: tuple[Change, ...] = (-0.4, -0.2, 0.2, 0.4)
    """Relative change of the bluish stain (like haematoxylin's), and as much the other way of the reddish one (like
    eosin's), in optical density: above 0 the smear is bluer, below 0 pinker."""
