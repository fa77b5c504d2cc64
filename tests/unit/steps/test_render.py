"""Step render on a small folder of real files."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from leukoflow.config.views import View
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_table, write_table
from leukoflow.core.picture import Picture, Raster
from leukoflow.images.shards import open_shards
from leukoflow.images.views import render_view
from leukoflow.steps.render import main

COUNT = 7


def image(number: int) -> np.ndarray:
    pixels = np.full((40 + number, 56, 3), (238, 236, 226), np.uint8)
    cv2.circle(pixels, (20, 20), 8, (130, 90, 160 + 5 * number), -1)
    return pixels


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    rows = []
    for number in range(COUNT):
        path = tmp_path / "files" / "[odd] names" / f"image {number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), image(number)[..., ::-1])
        name = path.relative_to(tmp_path / "files").as_posix()
        rows.append((name, name, hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size))
    table = pd.DataFrame(rows, columns=["image_id", "path", "sha256", "bytes"])
    for name, edge in zip(("bar_x0", "bar_y0", "bar_x1", "bar_y1"), (40, 30, 52, 36), strict=True):
        table[name] = pd.array([edge if number == 2 else None for number in range(COUNT)], dtype="Int32")
    write_table(
        tmp_path / "files.parquet", table.assign(aspect=None, bits=None, um_per_pixel=0.5, scale_source="given")
    )
    return tmp_path


def render(folder: Path, shard: int = 0, shards: int = 1, threads: int = 1, kind: str = "plain") -> Path:
    output = folder / f"view{threads}" / f"{shard:03}.npy"
    arguments = {
        "--settings": View(kind=kind, size=32).model_dump_json(),
        "--root": folder / "files",
        "--files": folder / "files.parquet",
        "--shard": shard,
        "--shards": shards,
        "--max-pixels": 10_000,
        "--threads": threads,
        "--output": output,
        "--index": output.with_suffix(".parquet"),
    }
    assert not main([str(part) for pair in arguments.items() for part in pair])
    return output


def test_shards_hold_every_image_of_the_manifest_once(cohort):
    opened = open_shards([render(cohort, shard, 3) for shard in range(3)])
    assert list(opened.image_ids) == read_table(cohort / "files.parquet")["image_id"].tolist()
    view = View(kind="plain", size=32)
    bars = [(40, 30, 52, 36) if number == 2 else None for number in range(COUNT)]
    expected = [render_view(Picture(Raster(image(number)), bar), view) for number, bar in enumerate(bars)]
    assert np.array_equal(opened.gather(range(COUNT)), expected)


def test_threads_do_not_change_the_bytes(cohort):
    one, three = (render(cohort, threads=threads, kind="normalised").read_bytes() for threads in (1, 3))
    assert one == three


def test_more_shards_than_images_leave_empty_ones(cohort):
    paths = [render(cohort, shard, 9) for shard in range(9)]
    assert len(open_shards(paths)) == COUNT


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_changed_file_stops_the_step_and_leaves_nothing(cohort, damage, threads):
    file = cohort / "files" / "[odd] names" / "image 4.png"
    if damage == "changed":
        file.write_bytes(file.read_bytes() + b"\0")
    else:
        file.unlink()
    with pytest.raises(LeukoFlowError, match=r"image 4\.png: .*; run again"):
        render(cohort, threads=threads)
    assert not list((cohort / f"view{threads}").iterdir())


def test_a_file_that_no_longer_decodes_is_named(cohort):
    file = cohort / "files" / "[odd] names" / "image 4.png"
    file.write_bytes(b"no image")
    table = read_table(cohort / "files.parquet")
    table.loc[4, "sha256"] = hashlib.sha256(b"no image").hexdigest()
    write_table(cohort / "files.parquet", table)
    with pytest.raises(LeukoFlowError, match=r"image 4\.png: not a JPEG, PNG, BMP or TIFF image; run again"):
        render(cohort)


def test_bad_settings_are_a_usage_error(cohort, capsys):
    with pytest.raises(SystemExit) as failure:
        main(["--settings", '{"kind": "plain", "sise": 3}'])
    assert failure.value.code == 2 and "sise" in capsys.readouterr().err
