"""How a long list is cut into shards: contiguous, as equal as can be."""

import math
from pathlib import Path

SHARD_SIZE = 1024
SHARDS = 512
"""At most so many: every shard is a job of several rules, and Snakemake plans about a hundred jobs a second."""
BAR = ("bar_x0", "bar_y0", "bar_x1", "bar_y1")
"""Half-open box of a scale bar in pixels of the file; none if there is no bar."""
FILES = ["image_id", "path", "sha256", "aspect", "bits", *BAR, "um_per_pixel", "scale_source"]
"""What a shard's images are read by, in the order of the manifest: the ratio of width to height that an image is
stretched to, and the bits that its camera filled of samples of 16 (none for most). Boxes and scales are those of the
stretched image."""


def shard_count(images: int) -> int:
    """Number of shards for about this many images: one for each 1,024, but no more than 512."""
    return min(max(1, math.ceil(images / SHARD_SIZE)), SHARDS)


def shard_slice(length: int, shard: int, shards: int) -> slice:
    """Rows of shard `shard` (0-based) when `length` rows are cut into `shards` contiguous parts."""
    return slice(shard * length // shards, (shard + 1) * length // shards)


def shard_files(folder: str | Path, shards: int) -> list[Path]:
    """The .npy files of a view's shards, in order."""
    return [Path(folder) / f"{shard:03d}.npy" for shard in range(shards)]
