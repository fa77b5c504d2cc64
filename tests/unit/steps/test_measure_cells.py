"""Steps measure_cells and gather_cells on a small synthetic cohort of real files."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from leukoflow.cells.aggregate import COUNTS, feature_names
from leukoflow.cells.labels import fit_map, write_maps
from leukoflow.cells.morphology import FEATURE_NAMES, PLACE, measure_cells
from leukoflow.cohorts.synthetic import draw, plan, rows
from leukoflow.config.cohorts import SyntheticCohort
from leukoflow.config.segmentation import Segmentation
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_table, write_table
from leukoflow.core.geometry import content_box, letterbox
from leukoflow.core.picture import Picture, Raster
from leukoflow.core.shards import shard_slice
from leukoflow.steps import gather_cells
from leukoflow.steps import measure_cells as step

SIZE, SHARDS, SCALE = 160, 2, 72 / 192
HEIGHT = 150
SETTINGS = Segmentation(size=SIZE).model_dump_json()


@pytest.fixture(scope="module")
def drawings() -> list[tuple[np.ndarray, np.ndarray]]:
    """Wider than high; the last has no cells."""
    cohort = SyntheticCohort(kind="synthetic", images=5, patients=4, size=192)
    drawn = [draw(cohort, row) for row in rows(plan(cohort))]
    cut = [(drawing.image[:HEIGHT].copy(), drawing.mask[:HEIGHT].copy()) for drawing in drawn]
    cut[-1] = (np.full_like(cut[-1][0], 240), np.zeros_like(cut[-1][1]))
    return cut


@pytest.fixture
def cohort(tmp_path: Path, drawings: list) -> Path:
    listed = []
    for number, (image, _) in enumerate(drawings):
        path = tmp_path / "files" / f"image {number}.png"
        path.parent.mkdir(exist_ok=True)
        assert cv2.imwrite(str(path), image[..., ::-1])
        listed.append((path.name, path.name, hashlib.sha256(path.read_bytes()).hexdigest()))
    files = pd.DataFrame(listed, columns=["image_id", "path", "sha256"])
    boxes = {name: pd.array([None] * len(files), dtype="Int32") for name in ("bar_x0", "bar_y0", "bar_x1", "bar_y1")}
    write_table(tmp_path / "manifest.parquet", files[["image_id"]])
    files = files.assign(aspect=None, bits=None, **boxes, um_per_pixel=SCALE, scale_source="given")
    for shard in range(SHARDS):
        part = shard_slice(len(drawings), shard, SHARDS)
        maps = [fit_map(mask, SIZE) for _, mask in drawings[part]]
        write_maps(tmp_path / f"{shard:03d}.npy", maps, len(maps), SIZE)
        write_table(tmp_path / f"{shard:03d}.parquet", files[part])
    return tmp_path


def measure(folder: Path, shard: int, threads: int = 1, **changed: object) -> Path:
    output = folder / f"measured{threads}" / f"{shard:03d}.parquet"
    arguments: dict[str, object] = {
        "--settings": SETTINGS,
        "--root": folder / "files",
        "--labels": folder / f"{shard:03d}.npy",
        "--max-pixels": 100_000,
        "--threads": threads,
        "--output": output,
    }
    arguments |= {f"--{name}": value for name, value in changed.items()}
    step.main([str(part) for pair in arguments.items() for part in pair])
    return output


def gather(folder: Path, shards: list[Path]) -> tuple[pd.DataFrame, pd.DataFrame]:
    outputs = [folder / "cells.parquet", folder / "images.parquet"]
    arguments = ["--cells", *shards, "--manifest", folder / "manifest.parquet", "--outputs", *outputs]
    gather_cells.main([str(argument) for argument in arguments])
    return read_table(outputs[0]), read_table(outputs[1])


def test_every_cell_is_measured_as_the_library_does(cohort, drawings):
    table = pd.concat([read_table(measure(cohort, shard)) for shard in range(SHARDS)], ignore_index=True)
    assert table.columns.tolist() == ["image_id", *PLACE, "um_per_pixel", *FEATURE_NAMES]
    # The longer side, 192 pixels, becomes 160; the picture lies between rows 17 and 142 of the square.
    scale = SCALE * 192 / SIZE
    content = (0, 17, SIZE, 142)
    assert table["um_per_pixel"].to_numpy() == pytest.approx(scale)
    expected = [
        {"image_id": f"image {number}.png", **row}
        for number, (image, mask) in enumerate(drawings)
        for row in measure_cells(
            Picture(Raster(letterbox(image, SIZE)), um_per_pixel=scale, placed=content), fit_map(mask, SIZE)
        )
    ]
    frame = pd.DataFrame(expected)
    assert len(table) == len(frame) > 10
    assert table[["image_id", "cell"]].to_numpy().tolist() == frame[["image_id", "cell"]].to_numpy().tolist()
    names = list(FEATURE_NAMES)
    assert np.allclose(table[names], frame[names].astype(np.float32), equal_nan=True)
    assert table["border"].tolist() == frame["border"].astype(bool).tolist() and table["border"].any()
    assert table.loc[~table["border"], "cell_diameter_um"].between(6, 18).all()


@pytest.mark.parametrize(("height", "width"), [(150, 192), (192, 150), (97, 61), (160, 160), (1, 300), (333, 200)])
def test_the_picture_lies_where_the_letterbox_puts_it(height: int, width: int):
    x0, y0, x1, y1 = content_box(height, width, SIZE)
    everywhere = fit_map(np.ones((height, width), np.uint8), SIZE)
    down, across = np.nonzero(everywhere)
    assert (x0, y0, x1, y1) == (across.min(), down.min(), across.max() + 1, down.max() + 1)


def test_threads_do_not_change_the_numbers(cohort):
    assert read_table(measure(cohort, 0, 1)).equals(read_table(measure(cohort, 0, 3)))


def test_a_scale_bar_is_painted_out_first(cohort):
    files = read_table(cohort / "000.parquet")
    plain = read_table(measure(cohort, 0))
    cell = plain[~plain["border"]].iloc[0]
    # A bar over the first whole cell, in pixels of the file.
    x, y = cell["x"] * 192 / SIZE, (cell["y"] - 17) * 192 / SIZE
    where = files["image_id"] == cell["image_id"]
    for name, value in zip(("bar_x0", "bar_y0", "bar_x1", "bar_y1"), (x - 12, y - 12, x + 12, y + 12), strict=True):
        files.loc[where, name] = int(value)
    write_table(cohort / "000.parquet", files)
    hidden = read_table(measure(cohort, 0))
    again = hidden[(hidden["image_id"] == cell["image_id"]) & (hidden["cell"] == cell["cell"])].iloc[0]
    assert again["nucleus_od_green_mean"] < 0.5 * cell["nucleus_od_green_mean"]
    assert again["cell_area_um2"] == cell["cell_area_um2"]


def test_all_images_have_a_row_also_those_without_cells(cohort):
    shards = [measure(cohort, shard) for shard in range(SHARDS)]
    cells, images = gather(cohort, shards)
    expected = pd.concat([read_table(path) for path in shards], ignore_index=True)
    pd.testing.assert_frame_equal(cells, expected, check_dtype=False)
    assert images.columns.tolist() == ["image_id", *COUNTS, *feature_names()]
    assert images["image_id"].tolist() == [f"image {number}.png" for number in range(5)]
    inner = cells[(cells["image_id"] == "image 1.png") & ~cells["border"]]
    assert images.loc[1, "nc_ratio_median"] == pytest.approx(inner["nc_ratio"].median(), rel=1e-5)
    assert images["cells"].tolist() == [int((cells["image_id"] == name).sum()) for name in images["image_id"]]
    assert images.loc[4, "cells"] == 0 and images.loc[4, feature_names()].isna().all()


def test_a_cohort_without_any_cells_is_gathered_too(cohort):
    for shard in range(SHARDS):
        labels = np.load(cohort / f"{shard:03d}.npy")
        np.save(cohort / f"{shard:03d}.npy", np.zeros_like(labels))
    cells, images = gather(cohort, [measure(cohort, shard) for shard in range(SHARDS)])
    assert cells.empty and images["cells"].eq(0).all() and len(images) == 5


def test_a_shard_given_twice_or_of_another_cohort_is_refused(cohort):
    first = measure(cohort, 0)
    with pytest.raises(LeukoFlowError, match=r"image 0\.png: its cells are in two shards"):
        gather(cohort, [first, first])
    write_table(cohort / "manifest.parquet", read_table(cohort / "manifest.parquet").iloc[1:])
    with pytest.raises(LeukoFlowError, match=r"image 0\.png: its cells are in a shard but not the manifest"):
        gather(cohort, [first])


def test_labels_of_another_size_are_refused(cohort):
    with pytest.raises(LeukoFlowError, match=r"label maps are 160 pixels wide, segmentation\.size is 224"):
        measure(cohort, 0, settings=Segmentation().model_dump_json())


def test_an_image_without_a_scale_is_named(cohort):
    files = read_table(cohort / "000.parquet")
    files.loc[1, "um_per_pixel"] = np.nan
    write_table(cohort / "000.parquet", files)
    with pytest.raises(LeukoFlowError, match=r"000\.parquet: image 1\.png has no um_per_pixel"):
        measure(cohort, 0)
