"""Find the stain that pictures are brought to: of the training role of a fold, a whole cohort, or a template image."""

import logging
from pathlib import Path

import pandas as pd

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_table, write_json
from leukoflow.core.step import parser, run
from leukoflow.images.io import ImageError, read_image
from leukoflow.quality.measure import Stain, measure

log = logging.getLogger(__name__)
CHANNELS = "Lab"


def main(argv: list[str] | None) -> None:
    """Parse the arguments, find the stain, write it."""
    arguments = parser(__doc__)
    arguments.add_argument("--quality", type=Path, help="quality.parquet of the cohort")
    arguments.add_argument("--split", type=Path, help="the cohort's split; without it, all its images count")
    arguments.add_argument("--fold", type=int)
    arguments.add_argument("--template", type=Path, help="an image, in place of a split")
    arguments.add_argument("--max-pixels", type=int, default=100_000_000)
    arguments.add_argument("--output", type=Path, required=True, help="mean and sd of L, a, b (JSON)")
    args = arguments.parse_args(argv)
    if args.template:
        stain, images = of_template(args.template, args.max_pixels), 1
    elif args.split:
        stain, images = of_training(read_table(args.quality), read_table(args.split), args.fold)
    else:
        whose = f"no image of {args.quality.parent.name}"
        stain, images = of_images(read_table(args.quality), whose)
    log.info("mean %s, sd %s, of %d images", stain.mean, stain.sd, images)
    write_json(args.output, {"mean": stain.mean, "sd": stain.sd, "images": images})


def of_training(quality: pd.DataFrame, split: pd.DataFrame, fold: int) -> tuple[Stain, int]:
    """`of_images` of a fold's training role."""
    chosen = split.loc[(split["fold"] == fold) & (split["role"] == "train"), "image_id"]
    return of_images(quality[quality["image_id"].isin(chosen)], f"no training image of fold {fold}")


def of_images(quality: pd.DataFrame, none: str) -> tuple[Stain, int]:
    """Mean over images of each one's mean and standard deviation of L, a, b over its foreground, and the number of
    these images; those without foreground do not count.

    LeukoFlowError if none is left; it begins with the words `none`.
    """
    rows = quality[quality["foreground_fraction"] > 0]
    if rows.empty:
        raise LeukoFlowError(f"{none} has any foreground, so no stain can be fitted")
    mean, sd = (
        tuple(float(rows[f"foreground_{channel}_{moment}"].mean()) for channel in CHANNELS) for moment in ("mean", "sd")
    )
    return Stain(mean, sd), len(rows)  # type: ignore[arg-type]


def of_template(path: Path, max_pixels: int) -> Stain:
    """The stain of an image's foreground. LeukoFlowError if it cannot be read or has none."""
    try:
        measured = measure(read_image(path, max_pixels), with_scale=False)
    except ImageError as error:
        raise LeukoFlowError(f"{path}: the template image cannot be read: {error}") from error
    if not measured.foreground_fraction:
        raise LeukoFlowError(f"{path}: the template image has no foreground")
    return measured.foreground


if __name__ == "__main__":
    run(main)
