"""The probing step on files, a view and tables."""

import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from leukoflow.audits.probes import PROBE_COLUMNS, PROBES
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import write_table
from leukoflow.steps import probe

COUNT = 48


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Pictures of one plain colour for each class, JPEG of one quality for each class."""
    random = np.random.default_rng(0)
    y = np.arange(COUNT) % 2
    images = np.where(y[:, None, None, None] == 0, [230, 210, 220], [215, 220, 235]) + random.normal(
        0, 3, (COUNT, 32, 32, 3)
    )
    images = np.clip(images, 0, 255).astype(np.uint8)
    names = [f"{number:03d}.jpg" for number in range(COUNT)]
    for image, name, label in zip(images, names, y, strict=True):
        cv2.imwrite(str(tmp_path / name), image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 50 if label else 90])
    np.save(tmp_path / "000.npy", images)
    write_table(tmp_path / "000.parquet", pd.DataFrame({"image_id": names}))
    (tmp_path / "view.json").write_text(json.dumps({"shards": ["0"]}))
    manifest = pd.DataFrame({"image_id": names, "path": names, "bytes": 100, "width": 32, "height": 32})
    write_table(tmp_path / "manifest.parquet", manifest)
    quality = pd.DataFrame({"image_id": names, "focus": random.random(COUNT), "um_per_pixel": np.nan})
    for name in ("bar_x0", "bar_y0", "bar_x1", "bar_y1"):
        quality[name] = pd.array([None] * COUNT, "Int32")
    write_table(tmp_path / "quality.parquet", quality.assign(bar_colour=pd.array([None] * COUNT, "string")))
    role = np.where(np.arange(COUNT) < 24, "train", np.where(np.arange(COUNT) < 30, "validation", "test"))
    split = pd.DataFrame({"image_id": names, "y": y, "group": names, "fold": 0, "role": role})
    write_table(tmp_path / "demo.kind.image.parquet", split)
    return tmp_path


def probed(root: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    named = {"cohort": "demo", "task": "kind", "root": root, "manifest": root / "manifest.parquet"}
    named |= {"quality": root / "quality.parquet", "view": root / "view.json", "answers": root / "answers.parquet"}
    named |= {"splits": root / "demo.kind.image.parquet", "output": root / "probes.csv"}
    arguments = [text for name, value in named.items() for text in (f"--{name}", str(value))]
    probe.main(["--settings", '{"resamples": 100, "shortcuts": {"trees": 10}}', *arguments])
    return pd.read_csv(root / "probes.csv"), pd.read_parquet(root / "answers.parquet")


def test_colours_and_compression_give_the_class_away_and_file_numbers_do_not(root):
    scores, said = probed(root)
    assert list(scores.columns) == PROBE_COLUMNS
    assert scores["probe"].tolist() == [probe.name for probe in PROBES]
    reached = scores.set_index("probe")["accuracy"]
    assert reached[["background", "colour_statistics", "compression", "file_facts"]].min() > 0.99
    assert reached["scale_bar"] < 0.8 and reached["magnification"] < 0.8
    assert set(scores["protocol"]) == {"image"} and (scores["images"] == 18).all()
    assert len(said) == len(PROBES) * 24 and set(said["role"]) == {"validation", "test"}


def test_quantisation_tables_are_those_of_the_standard(root):
    # ITU-T T.81, table K.1, begins with 16; quality 50 takes it as it is, quality 90 a fifth of it.
    assert probe.quantisation_tables(root / "001.jpg")[:2].tolist() == [16, 11]
    assert probe.quantisation_tables(root / "000.jpg")[0] == 3
    cv2.imwrite(str(root / "other.png"), np.zeros((8, 8, 3), np.uint8))
    assert not probe.quantisation_tables(root / "other.png").any()
    (root / "odd.tif").write_bytes(b"MM\0+" + bytes(20))  # a TIFF that Pillow does not open
    assert not probe.quantisation_tables(root / "odd.tif").any()
    with pytest.raises(LeukoFlowError, match=r"gone\.jpg: cannot be read"):
        probe.quantisation_tables(root / "gone.jpg")


def test_an_image_without_measurements_is_named(root):
    quality = pd.read_parquet(root / "quality.parquet")
    write_table(root / "quality.parquet", quality.iloc[1:])
    with pytest.raises(LeukoFlowError, match=r"000\.jpg"):
        probed(root)
