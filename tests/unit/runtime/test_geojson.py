"""Outlines of cells as GeoJSON: closed rings, classes, measurements; the areas are those of the cells."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from leukoflow import cli
from leukoflow.cohorts.synthetic import draw, plan, rows
from leukoflow.config.cohorts import SyntheticCohort
from leukoflow.runtime.geojson import geojson
from leukoflow.runtime.model import open_model
from leukoflow.runtime.shipped import shipped_model


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    cohort = SyntheticCohort.model_validate({"kind": "synthetic", "images": 4, "patients": 4, "size": 448, "seed": 9})
    return draw(cohort, next(iter(rows(plan(cohort))))).image


def ring_area(ring: list[list[float]]) -> float:
    x, y = np.array(ring).T
    return float(0.5 * (x[:-1] * y[1:] - x[1:] * y[:-1]).sum())


def test_every_cell_is_a_closed_polygon_of_its_size(image: np.ndarray) -> None:
    model = open_model(shipped_model())
    answer = model.answer(image, cells=True)
    said = json.loads(geojson("field.png", answer))
    assert said["type"] == "FeatureCollection" and len(said["features"]) == len(answer.cells) > 0
    for feature, cell in zip(said["features"], answer.cells, strict=True):
        (ring,) = feature["geometry"]["coordinates"]
        assert ring[0] == ring[-1] and len(ring) >= 4
        assert ring_area(ring) > 0  # one direction for all
        assert ring_area(ring) == pytest.approx(cv2.contourArea(np.float32(cell.outline)), rel=1e-2)
        properties = feature["properties"]
        assert properties["objectType"] == "cell" and feature["nucleusGeometry"]["type"] == "Polygon"
        name = properties["classification"]["name"]
        assert name == cell.type.label if cell.type.told else name == f"{cell.type.label}: not certain"
        assert len(properties["classification"]["color"]) == 3
        measurements = properties["measurements"]
        assert measurements["area_um2"] == pytest.approx(cell.facts["area_um2"], rel=1e-4)
        assert sum(measurements[f"p {key}"] for key in model.facts.classes) == pytest.approx(1, abs=1e-4)
    assert len({feature["id"] for feature in said["features"]}) == len(said["features"])
    assert geojson("field.png", answer) == geojson("field.png", answer) != geojson("other.png", answer)


def test_predict_writes_a_file_for_each_image_and_again_if_gone(image: np.ndarray, tmp_path: Path, capsys) -> None:
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in/a.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    command = ["predict", str(tmp_path / "in"), "--output", str(tmp_path / "a.csv"), "--processes", "1"]
    assert cli.main(command) == 0
    with_outlines = [*command, "--geojson", str(tmp_path / "out")]
    assert cli.main(with_outlines) == 0
    (file,) = (tmp_path / "out").glob("*.geojson")
    assert json.loads(file.read_text())["features"]
    capsys.readouterr()
    assert cli.main(with_outlines) == 0 and "1 answers kept" in capsys.readouterr().out
    file.unlink()
    assert cli.main(with_outlines) == 0 and file.exists()


def test_a_field_without_cells_is_an_empty_collection() -> None:
    answer = open_model(shipped_model()).answer(np.full((200, 200, 3), 240, np.uint8), cells=True)
    assert json.loads(geojson("blank.png", answer)) == {"type": "FeatureCollection", "features": []}
