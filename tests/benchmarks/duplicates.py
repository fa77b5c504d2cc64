"""How many copies of images are found, by how they were made, and how many pairs are found that are none.

`python tests/benchmarks/duplicates.py` plants copies of 60 of 200 images, one kind of copy at a time, in
synthetic images and, where LEUKOFLOW_DATA names the folder of real ones, in those. `--table FILE` keeps the shares as
CSV, and `--page FILE` writes the page of the documentation from that table. Every copy is saved as
JPEG of quality 75 first.
"""

import argparse
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from leukoflow.cohorts.synthetic import draw, plan, rows
from leukoflow.config.cohorts import SyntheticCohort
from leukoflow.config.quality import Quality
from leukoflow.quality.description import Images
from leukoflow.quality.duplicates import find_duplicates
from leukoflow.quality.hashing import difference_hash, grey_thumbnail, to_hex
from leukoflow.quality.orientations import TURNED, laid
from leukoflow.quality.thumbnails import Thumbnails

PLANTED, OTHERS = 60, 140
FOLDERS = {
    "Taleqani fields": "taleqani/Original/*/*.jpg",
    "PBC single cells": "pbc/*/*.jpg",
    "BCISC single cells": "bcisc/images/*",
}
FILLS = {
    "black": {"borderMode": cv2.BORDER_CONSTANT, "borderValue": (0, 0, 0)},
    "white": {"borderMode": cv2.BORDER_CONSTANT, "borderValue": (255, 255, 255)},
    "reflected": {"borderMode": cv2.BORDER_REFLECT_101},
}
Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def compressed(image: np.ndarray) -> np.ndarray:
    """As JPEG of quality 75 and back."""
    data = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 75])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB))


def turned(image: np.ndarray, degrees: float, fill: str = "black", zoom: float = 1.0) -> np.ndarray:
    """Turned about its middle and zoomed, in a frame of the same size."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, zoom)
    return cv2.warpAffine(image, matrix, (width, height), **FILLS[fill])


def cropped(image: np.ndarray, share: float, where: np.ndarray, resized: bool = True) -> np.ndarray:
    """A share of the side, placed by `where` in 0..1, and brought back to the size of the image unless told not to."""
    size = np.round(np.array(image.shape[:2]) * share).astype(int)
    top, left = np.round((np.array(image.shape[:2]) - size) * where).astype(int)
    part = image[top : top + size[0], left : left + size[1]]
    return cv2.resize(part, image.shape[1::-1]) if resized else part


def shifted(image: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Shifted by shares of the width and height, reflected at the edge."""
    move = share * image.shape[1::-1]
    return cv2.warpAffine(image, np.column_stack([np.eye(2), move]), image.shape[1::-1], **FILLS["reflected"])


def anyhow(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As in usual training: perhaps mirrored; a turn, zoom and shift at random."""
    image = image[:, ::-1] if rng.random() < 0.5 else image
    image = turned(np.ascontiguousarray(image), rng.uniform(-20, 20), "reflected", rng.uniform(0.9, 1.1))
    return shifted(image, rng.uniform(-0.05, 0.05, 2))


def brighter(image: np.ndarray) -> np.ndarray:
    """Slightly brighter and of more contrast."""
    return cv2.convertScaleAbs(np.ascontiguousarray(image), alpha=1.1, beta=5)


def across(image: np.ndarray, position: int) -> np.ndarray:
    """In one of the eight positions, colours and all."""
    return np.ascontiguousarray(np.moveaxis(laid(np.moveaxis(image, -1, 0), position), 0, -1))


MIDDLE = np.array([0.5, 0.5])
COPIES: dict[str, Change] = {
    "resized to half": lambda image, rng: cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    **{words: lambda image, rng, k=k: across(image, k) for k, words in enumerate(TURNED) if k},
    "mirrored, brighter, more contrast": lambda image, rng: brighter(image[:, ::-1]),
    "turned by 5 degrees, corners black": lambda image, rng: turned(image, 5),
    "turned by 15 degrees, corners black": lambda image, rng: turned(image, 15),
    "turned by 15 degrees, corners white": lambda image, rng: turned(image, -15, "white"),
    "turned by 15 degrees, corners reflected": lambda image, rng: turned(image, 15, "reflected"),
    "mirrored and turned by 45 degrees": lambda image, rng: turned(np.ascontiguousarray(image[:, ::-1]), 45),
    "middle 95 % of the side": lambda image, rng: cropped(image, 0.95, MIDDLE),
    "middle 90 % of the side": lambda image, rng: cropped(image, 0.9, MIDDLE),
    "middle 80 % of the side": lambda image, rng: cropped(image, 0.8, MIDDLE),
    "any 90 % of the side": lambda image, rng: cropped(image, 0.9, rng.random(2)),
    "any 90 % of the side, mirrored, not resized": lambda image, rng: cropped(image, 0.9, rng.random(2), False)[
        :, ::-1
    ],
    "any 80 % of the side": lambda image, rng: cropped(image, 0.8, rng.random(2)),
    "middle 70 % of the side": lambda image, rng: cropped(image, 0.7, MIDDLE),
    "zoomed out to 90 %, frame black": lambda image, rng: turned(image, 0, "black", 0.9),
    "shifted by 5 % both ways": lambda image, rng: shifted(image, np.array([0.05, -0.05])),
    "shifted by 10 % both ways": lambda image, rng: shifted(image, np.array([0.1, -0.1])),
    "mirrored or not, turned, zoomed, shifted at random": anyhow,
}
"""Each kind of copy in words; the last turns by up to 20 degrees, zooms by up to 10 % and shifts by up to 5 %."""


def sources() -> Iterator[tuple[str, list[np.ndarray]]]:
    """Images by their source, uint8 [H, W, 3] RGB."""
    cohort = SyntheticCohort(kind="synthetic", images=PLANTED + OTHERS)
    yield "synthetic fields", [draw(cohort, row).image for row in rows(plan(cohort))]
    root = os.environ.get("LEUKOFLOW_DATA")
    for name, pattern in FOLDERS.items() if root else ():
        files = sorted(Path(str(root)).glob(pattern))
        chosen = np.random.default_rng(0).permutation(len(files))[: PLANTED + OTHERS]
        yield name, [np.asarray(cv2.imread(str(files[number]), cv2.IMREAD_COLOR_RGB)) for number in sorted(chosen)]


def related(folder: Path, images: list[np.ndarray]) -> set[tuple[int, int]]:
    """Pairs of images that are found to be duplicates."""
    np.save(folder / "thumbnails.npy", np.stack([grey_thumbnail(image) for image in images]))
    table = pd.DataFrame(
        {
            "cohort": "home",
            "image_id": [str(number) for number in range(len(images))],
            "label": pd.NA,
            "sha256": [hashlib.sha256(np.ascontiguousarray(image)).hexdigest() for image in images],
            "dhash": [to_hex(difference_hash(np.ascontiguousarray(image))) for image in images],
            "width": [image.shape[1] for image in images],
            "height": [image.shape[0] for image in images],
        }
    )
    pairs = find_duplicates(Images.of(table, Thumbnails([folder / "thumbnails.npy"])), Quality())
    return set(zip(pairs["image_a"].astype(int), pairs["image_b"].astype(int), strict=True))


def measure(name: str, images: list[np.ndarray], folder: Path) -> Iterator[dict[str, object]]:
    """A row for each kind of copy: how many of the planted are found, and pairs of different pictures."""
    alone = related(folder, images)
    same = {frozenset(pair) for pair in alone}
    chosen = np.random.default_rng(1).permutation(len(images))[:PLANTED].tolist()
    for number, (words, change) in enumerate(COPIES.items()):
        rng = np.random.default_rng([2, number])
        copies = [compressed(change(np.ascontiguousarray(images[index]), rng)) for index in chosen]
        started = time.process_time()
        pairs = related(folder, images + copies) - alone
        origin = [*range(len(images)), *chosen]
        hits = sum((index, len(images) + row) in pairs for row, index in enumerate(chosen))
        other = [pair for pair in pairs if origin[pair[0]] != origin[pair[1]]]
        false = [pair for pair in other if frozenset(origin[image] for image in pair) not in same]
        row = {"source": name, "images": len(images), "copy": words, "planted": len(copies)}
        print(f"{name}: {words}: {hits} of {len(copies)}, {time.process_time() - started:.1f} s", flush=True)
        yield row | {"found": hits / len(copies), "false_pairs": len(false)}


PAGE = """# Copies of images, and how many are found

Published sets of blood cells hold copies of images: the same file twice, the same picture saved again, and copies that
were mirrored, turned, cropped or shifted to have more images. A model that is tested on a copy of a training image looks
better than it is. Step `group_images` searches for copies within and across all cohorts of a study. Each pair has a kind:

| kind | what it is | how it is found |
| --- | --- | --- |
| `identical` | the same bytes | SHA-256 |
| `near` | the same picture resized, compressed again or shifted by up to 6 % of the side | difference hashes, then correlation of thumbnails (`quality.correlation`) |
| `turned` | the picture mirrored or turned by 90, 180 or 270 degrees | the same in all eight positions |
| `moved` | the picture turned by any other angle, cropped, zoomed or shifted | features of rings that no turn changes, in {windows} windows of each picture; then the two are laid over each other and correlated (`quality.moved_correlation`) |

All kinds count alike: the split protocols `duplicate`, `acquisition` and `patient` keep such images together, the audits
count them, and external images that are copies of training images are left out of the second accuracy. Copies with
different labels are the first problem that the report names. `tables/label_conflicts.csv` lists them.

## Measured

Share of planted copies that are found. {planted} copies of each kind were planted among {images} images of each source and saved as JPEG of
quality 75. The last column counts the pairs of different pictures that were taken for copies, over all sources.

{table}

Among the real images themselves (2,609 of Taleqani, 5,469 of PBC, 300 of Zheng et al., 268 of BCISC) the kinds `turned` and `moved`
add 18 pairs to the 34 identical and 67 near pairs: 5 of overlapping fields (Taleqani), 2 of one place photographed twice in
different stains (PBC), and 11 of cells that were cropped again (Zheng et al.). All were looked at; one of the last 11 is false
(two round cells).

## Many images

A study of about {together} images or fewer compares them in one job, `group_images`. For more, `describe_images` makes hashes, sketches and rings of
a part of the images, `compare_images` compares a part with all, and `group_images` gathers the pairs; `quality.parts` sets the number of
parts. Every pair belongs to one part, so the pairs are those that one job finds: a test holds them to be the same, and to be what comparing
all hashes with all gives. [Scale](scale.md) has times and memory.

In a set of more than {same} images with one hash (blank fields, say) each image is compared with the first alone, and only the first {same}
are compared with images of other hashes.

## Limits

- Copies cropped to less than 80 % of the side, or shifted by more than 5 % and not cropped, are mostly missed.
- Copies that were stretched by more than 25 % and also turned or cropped are missed. Stretching alone is not: hashes and
  thumbnails are taken from the picture squeezed to a square.
- A picture of 64 x 64 grey pixels is compared. Changes of colour play no part, and changes to a single cell are not seen.
- Two different round cells on an empty ground are alike, whatever is done. A pair counts only if it is much more alike than
  each of its pictures is like itself when turned, so copies of such pictures are missed sooner than copies of fields.
- Of more than {many} images, {few} of the {windows} windows are tried. Turned and mirrored copies and crops of the middle or a corner
  are found as before (93 to 100 %); of crops from anywhere, about 45 % are found at 90 % of the side and 10 % at 80 %.
- If very many pictures are alike in this way, only the {failed} least doubtful comparisons in vain are made; the log then says
  how many pairs were not compared.
- Chance pairs grow with the square of the number of images: among 100,000 crops of the images above about 100 false pairs came out.
- Two photographs of one place on a slide count as copies, even when the slide was stained again between them.
- The exported model does not look for copies of training images.

`python tests/benchmarks/duplicates.py --table src/leukoflow/report/recall.csv --page docs/duplicates.md` measures all this again and
writes this page.
"""  # noqa: E501


def page(table: pd.DataFrame) -> str:
    """The documentation's page."""
    from leukoflow.config.quality import TOGETHER
    from leukoflow.quality.parts import MOST_FAILED
    from leukoflow.quality.rings import FEW, WINDOWS
    from leukoflow.quality.search import MANY
    from leukoflow.quality.sets import MOST_TOGETHER

    names = list(dict.fromkeys(table["source"]))
    lines = [f"| copy | {' | '.join(names)} | false pairs |", f"| --- |{' --- |' * (len(names) + 1)}"]
    for words, part in table.groupby("copy", sort=False):
        shares = part.set_index("source")["found"].reindex(names)
        cells = ["" if pd.isna(share) else f"{100 * share:.0f} %" for share in shares]
        lines.append(f"| {words} | {' | '.join(cells)} | {part['false_pairs'].sum()} |")
    values = {
        "windows": len(WINDOWS),
        "few": len(FEW),
        "many": f"{MANY:,}",
        "together": f"{TOGETHER:,}",
        "same": MOST_TOGETHER,
        "failed": f"{MOST_FAILED:,}",
        "planted": PLANTED,
        "images": table["images"].max(),
        "table": "\n".join(lines),
    }
    return PAGE.format(**values)


def main() -> None:
    """Parse the arguments, measure, print, keep."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--table", type=Path)
    arguments.add_argument("--page", type=Path)
    options = arguments.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        records = [row for name, images in sources() for row in measure(name, images, Path(folder))]
    table = pd.DataFrame(records)
    if options.table:
        table.to_csv(options.table, index=False)
    if options.page:
        options.page.write_text(page(table))
    print(table.pivot(index="copy", columns="source", values="found").reindex(list(COPIES)).to_string())


if __name__ == "__main__":
    main()
