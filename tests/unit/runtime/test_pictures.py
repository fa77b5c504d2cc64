"""What an exported model sees of a file, against what steps measure, manifest and render make of it for training."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from leukoflow.cohorts.synthetic import draw, encode, plan, rows
from leukoflow.config.cohorts import SyntheticCohort
from leukoflow.config.views import View
from leukoflow.core.files import read_table, write_table
from leukoflow.core.picture import Picture
from leukoflow.images.io import read_image
from leukoflow.images.shards import open_shards
from leukoflow.images.sources import read_picture, sources
from leukoflow.images.views import render_view
from leukoflow.runtime.pictures import measured
from leukoflow.steps import manifest, measure, render

MOST = 100_000


def step(main, folder: Path, options: dict[str, str], aspect: float | None) -> None:
    """Run a step on the folder's one shard."""
    known = {
        "--root": "files", "--listing": "listing.parquet", "--measured": "measured.parquet", "--output": None,
        "--thumbnails": "thumbnails.npy", "--manifest": "manifest.parquet", "--quality": "quality.parquet",
        "--files": "files.parquet", "--rejects": "rejects.csv", "--index": "view.parquet", "--record": "record.parquet",
    }  # fmt: skip
    arguments = [part for name, value in options.items() for part in (name, value or str(folder / str(known[name])))]
    assert not main(arguments + (["--aspect", str(aspect)] if aspect else []))


def assert_alike(one: Picture, other: Picture) -> None:
    """The same in every part; a scale of its own is also that of the table."""
    assert (one.bar, one.content) == (other.bar, other.content)
    assert not one.scale_known or one.um_per_pixel == pytest.approx(other.um_per_pixel)
    for name in ("pixels", "background", "foreground", "stained", "balanced"):
        assert np.array_equal(getattr(one.raster, name), getattr(other.raster, name)), name


@pytest.mark.parametrize("kind", ["plain", "normalised", "grey"])
@pytest.mark.parametrize("aspect", [None, 4 / 3])
def test_a_file_is_seen_as_in_training(tmp_path: Path, kind: str, aspect: float | None) -> None:
    settings = {"kind": "synthetic", "images": 12, "patients": 4, "size": 224, "faults": {"scale_bars": {"Pre": 1.0}}}
    cohort = SyntheticCohort.model_validate(settings)
    table = plan(cohort)
    for row in rows(table):
        path = tmp_path / "files" / row.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(draw(cohort, row)))
    columns = {"patient": None, "slide": None, "site": None, "mask": None}
    write_table(tmp_path / "listing.parquet", table[["path", "label"]].assign(**columns))
    view = View(kind=kind, size=64)
    whole = {"--shard": "0", "--shards": "1", "--max-pixels": str(MOST)}
    output = {"--output": str(tmp_path / "measured.parquet")}
    names = ("--root", "--listing", "--thumbnails", "--record")
    step(measure.main, tmp_path, {**dict.fromkeys(names, ""), **whole, **output}, aspect)
    names = ("--measured", "--manifest", "--quality", "--files", "--rejects")
    step(manifest.main, tmp_path, dict.fromkeys(names, ""), aspect)
    output = {"--output": str(tmp_path / "view.npy"), "--settings": view.model_dump_json()}
    step(render.main, tmp_path, {"--root": "", "--files": "", "--index": "", **whole, **output}, None)

    files, shards = read_table(tmp_path / "files.parquet"), open_shards([str(tmp_path / "view.npy")])
    assert len(files) == len(shards) == 12 and files["bar_x0"].notna().sum() >= 2
    trained_on = shards.gather(shards.rows_of(files["image_id"]))
    for source, rendered in zip(sources(tmp_path / "files", files), trained_on, strict=True):
        known, new = (
            read_picture(source, MOST),
            measured(read_image(source.path, MOST), aspect, with_scale=True).picture,
        )
        assert_alike(new, known)
        assert_alike(new.rendition(96), known.rendition(96))
        assert np.array_equal(render_view(new, view), rendered), source.path
    assert pd.Series([picture.tobytes() for picture in trained_on]).is_unique
