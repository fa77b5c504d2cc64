"""Train the segmenter further on pseudo-masks of a cohort without masks, together with the sources.

No mask and no label of the cohort is read. Its images are, whatever their role (transductive).
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from leukoflow.cells.labels import UNKNOWN
from leukoflow.cells.pseudo import certain_share, pseudo_parts
from leukoflow.cells.segmenter import BATCH, load_segmenter, probabilities
from leukoflow.config.segmentation import Adaptation, Segmentation
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json, write_json, write_table
from leukoflow.core.parallel import thread_map
from leukoflow.core.picture import Raster
from leukoflow.core.step import log, parser, progress, run, settings
from leukoflow.images.sources import Source as File
from leukoflow.images.sources import listed, read_picture, sources
from leukoflow.images.views import to_segment
from leukoflow.models.inference import save_tensors
from leukoflow.training.canvases import Source, median_diameter
from leukoflow.training.checkpoint import digest_of
from leukoflow.training.masked import balance, derive_nuclei, facts_of, files_of, history_of, masked_source
from leukoflow.training.segmenter import fit_segmenter

FEW = 0.2
"""Share of the images below which the log warns: what is learnt is then of few images."""


def main(argv: list[str] | None) -> None:
    """Parse the arguments, label the images, train, write weights, description and history."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Segmentation), required=True, help="section segmentation (JSON)")
    arguments.add_argument("--size", type=int, required=True, help="side of the cohort's rendition, pixels")
    arguments.add_argument("--root", type=Path, required=True, help="folder that the manifest's paths are relative to")
    arguments.add_argument("--files", type=Path, required=True, help="files.parquet of the cohort")
    arguments.add_argument("--start", nargs=2, type=Path, required=True, metavar=("WEIGHTS", "DESCRIPTION"))
    arguments.add_argument("--sources", nargs="+", type=Path, required=True, help="folders of annotated sources")
    arguments.add_argument("--max-pixels", type=int, required=True)
    arguments.add_argument("--code", default="", help="fingerprint of the code; a checkpoint of other code is not used")
    arguments.add_argument("--resume", type=Path, required=True, help="folder for checkpoints")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--weights", type=Path, required=True)
    arguments.add_argument("--description", type=Path, required=True)
    arguments.add_argument("--history", type=Path, required=True)
    args = arguments.parse_args(argv)

    cv2.setNumThreads(1)
    torch.set_num_threads(args.threads)
    segmentation: Segmentation = args.settings
    if segmentation.adapt is None:
        raise LeukoFlowError("segmentation.adapt is absent: there is no cohort to adapt to")
    description = read_json(args.start[1])
    network = load_segmenter(description, args.start[0])
    table = listed(args.files)
    rows = np.linspace(0, len(table) - 1, min(segmentation.adapt.images, len(table))).round().astype(int)
    files = sources(args.root, table.iloc[rows])

    def load(file: File) -> Raster:
        return to_segment(read_picture(file, args.max_pixels).rendition(args.size).raster, segmentation.steps)

    pictures = list(progress(thread_map(load, files, args.threads), len(files), "image"))
    source = pseudo_source(network, pictures, segmentation.adapt)
    unknown = float((source.parts == UNKNOWN).mean())
    said = log.warning if len(source.images) < FEW * len(files) else log.info
    said("%d of %d images of %s have confident masks and are trained on; %.1f %% of their pixels are in doubt",
         len(source.images), len(files), source.name, 100 * unknown)  # fmt: skip
    train, validation = ([masked_source(folder, role) for folder in args.sources] for role in ("train", "validation"))
    balance([*train, *validation, source])
    if segmentation.derived_nuclei:
        derive_nuclei([*train, *validation])
    further = {"epochs": segmentation.adapt.epochs, "learning_rate": segmentation.adapt.learning_rate}
    training = segmentation.training.model_copy(update=further)
    files_read = [args.start[0], args.files, *files_of(args.sources)]
    state = (
        args.resume / digest_of(files_read, segmentation.model_dump_json(), args.size, args.code) / "state.safetensors"
    )
    result = fit_segmenter(network, [*train, source], validation, training, state)
    description["cell_diameters"] |= {source.name: source.diameter}
    adapted = {"cohort": source.name, "images": len(files), "used": len(source.images), "doubtful_pixels": unknown}
    write_table(args.history, history_of(result))
    write_json(args.description, {**description, **facts_of(result, args.threads), "adapted": adapted})
    save_tensors(args.weights, result.weights)
    shutil.rmtree(args.resume, ignore_errors=True)


def pseudo_source(network: nn.Module, pictures: Sequence[Raster], adapt: Adaptation) -> Source:
    """The images of the cohort of which the network is certain, with what it says of them.

    pictures: of one size [S, S]. Raises LeukoFlowError if it is certain of none.
    """
    images, parts = [], []
    for start in range(0, len(pictures), BATCH):
        batch = pictures[start : start + BATCH]
        chance = probabilities(network, batch)
        said = pseudo_parts(chance, adapt.confidence)
        for picture, mask, share in zip(batch, said, certain_share(chance, said), strict=True):
            if share > 0 and share >= adapt.certain:
                images.append(picture.pixels)
                parts.append(mask)
    if not images:
        raise LeukoFlowError(
            f"{adapt.cohort}: the segmenter is certain of the cells of none of its images; lower "
            "segmentation.adapt.certain or confidence, or leave adapt out"
        )
    maps = np.stack(parts)
    return Source(adapt.cohort, np.stack(images), maps, median_diameter(maps))


if __name__ == "__main__":
    run(main)
