"""The model of the package: whole, small, and asked about drawn smears without a study having been run."""

import csv
import hashlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import cv2
import numpy as np
import pytest

from leukoflow import cli
from leukoflow.cells.differential import poisson_interval
from leukoflow.cohorts.synthetic import draw, plan, rows
from leukoflow.config.cohorts import SyntheticCohort
from leukoflow.runtime import shipped
from leukoflow.runtime.counting import COLUMNS
from leukoflow.runtime.model import open_model
from leukoflow.runtime.schema import FILES
from leukoflow.serve.schema import result_of
from leukoflow.steps.ship import LEFT_OUT, MOST_BYTES

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def drawings():
    cohort = SyntheticCohort.model_validate({"kind": "synthetic", "images": 6, "patients": 6, "size": 448, "seed": 9})
    return [draw(cohort, row) for row in rows(plan(cohort))]


@pytest.fixture(scope="module")
def folder(drawings, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("smears")
    for number, drawing in enumerate(drawings):
        path = root / f"patient {number % 2}" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), cv2.cvtColor(drawing.image, cv2.COLOR_RGB2BGR))
    (root / "empty").mkdir()
    cv2.imwrite(str(root / "empty" / "none.png"), np.full((300, 400, 3), 230, np.uint8))
    return root


def test_every_file_is_that_of_the_export_and_all_are_small() -> None:
    here = shipped.shipped_model()
    facts = json.loads((here / "export.json").read_text())
    assert facts["reader"] and facts["study"] == "cells"
    for role, file in facts["files"].items():
        if role not in LEFT_OUT:
            data = (here / FILES[role]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == file["sha256"], role
    assert sum(path.stat().st_size for path in here.iterdir()) < MOST_BYTES
    # What it was trained on may be given away; its card names the terms.
    assert "CC BY 4.0" in (here / "LICENCES.md").read_text() and "Apache-2.0" in (here / "LICENCES.md").read_text()


def test_cells_of_drawn_smears_are_found_by_the_shipped_segmenter(drawings) -> None:
    model, hit, whole = open_model(shipped.shipped_model()), 0, 0
    for drawing in drawings:
        answer = model.answer(drawing.image, cells=True)
        mask = drawing.mask >> 1
        at = {int(mask[int(cell.facts["y"]), int(cell.facts["x"])]) for cell in answer.cells}
        rim = set(np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).tolist())
        inside = {number for number in np.unique(mask) if number and number not in rim}
        hit, whole = hit + len(inside & at), whole + len(inside)
        for cell in answer.cells:
            assert cell.type is not None and sum(cell.type.probabilities) == pytest.approx(1)
            assert cell.type.label in model.facts.classes and set(cell.type.conformal) <= set(model.facts.classes)
    assert hit / whole > 0.85


def test_a_map_lies_on_the_cell_that_the_answer_is_about(drawings) -> None:
    model = open_model(shipped.shipped_model())
    image = drawings[0].image
    answer = model.answer(image, cells=True, heat=True)
    heat = answer.maps[0].values
    height, width = image.shape[:2]
    nearest = min(answer.cells, key=lambda cell: np.hypot(cell.facts["x"] - width / 2, cell.facts["y"] - height / 2))
    rows_, columns = np.nonzero(heat > 0)
    middle = np.array([columns.mean() / heat.shape[1] * width, rows_.mean() / heat.shape[0] * height])
    at = np.array([nearest.facts["x"], nearest.facts["y"]])
    assert np.linalg.norm(middle - at) < 2 * nearest.facts["diameter_um"] / (nearest.facts["area_um2"] ** 0.5) * 30
    assert (heat > 0).mean() < 0.5


def test_predict_needs_no_study_and_counts(folder: Path, tmp_path: Path, capsys) -> None:
    output, counts = tmp_path / "answers.csv", tmp_path / "counts.csv"
    command = ["predict", str(folder), "--output", str(output), "--differential", str(counts), "--processes", "1"]
    assert cli.main(command) == 0
    table = list(csv.DictReader(output.open()))
    assert len(table) == 7
    classes = open_model(shipped.shipped_model()).facts.classes
    for row in table:
        assert int(row["cells"]) == sum(int(row[f"n_{name}"]) for name in classes)
    empty = next(row for row in table if row["path"].endswith("none.png"))
    assert empty["cells"] == "0" and "No white cell was found." in empty["why"]
    lines = list(csv.DictReader(counts.open()))
    assert list(lines[0]) == COLUMNS
    groups = {Path(line["group"]).name for line in lines}
    assert groups == {"empty", "patient 0", "patient 1", "all"}
    everything = [line for line in lines if line["group"] == "all"]
    uncounted = open_model(shipped.shipped_model()).facts.reader.uncounted
    white = sum(int(row[f"n_{name}"]) for row in table for name in classes if name not in uncounted)
    assert {int(line["cells"]) for line in everything} == {white} and white > 0
    assert [line["type"] for line in everything] == [name for name in classes if name not in uncounted]
    assert sum(float(line["share"]) for line in everything) == pytest.approx(1, abs=1e-3)
    for line in everything:
        assert float(line["low"]) <= float(line["share"]) <= float(line["high"])
    none = [line for line in lines if Path(line["group"]).name == "empty"]
    assert {(line["cells"], line["share"]) for line in none} == {("0", "")}
    assert float(none[0]["cells_high"]) == pytest.approx(poisson_interval(0)[1], abs=0.06)
    # Again: every answer is kept, the same count comes out.
    before = counts.read_text()
    assert cli.main(command) == 0 and counts.read_text() == before
    assert "7 answers kept" in capsys.readouterr().out


def test_json_lines_name_every_cell(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "answers.jsonl"
    assert cli.main(["predict", str(folder / "patient 0"), "--output", str(output), "--processes", "1"]) == 0
    for line in output.read_text().splitlines():
        said = json.loads(line)
        assert len(said["each"]) == said["cells"] == sum(said["types"].values())
        for cell in said["each"]:
            x0, y0, x1, y1 = cell["box"]
            assert x0 <= cell["x"] <= x1 and y0 <= cell["y"] <= y1
            assert cell["told"] == (len(cell["set"]) == 1) or not cell["told"]


def test_counts_need_cells(folder: Path, tmp_path: Path, capsys) -> None:
    arguments = ["predict", str(folder), "--output", str(tmp_path / "a.csv"), "--differential", str(tmp_path / "b.csv")]
    assert cli.main([*arguments, "--without-cells"]) == 1
    assert "--differential counts cells" in capsys.readouterr().err
    assert cli.main([*arguments[:-1], str(tmp_path / "b.txt")]) == 1
    assert "must be called .csv" in capsys.readouterr().err


def test_a_package_without_the_model_says_so(monkeypatch, tmp_path: Path, capsys) -> None:
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "gone")
    assert cli.main(["predict", str(tmp_path), "--output", str(tmp_path / "a.csv")]) == 1
    assert "the model of the package is missing" in capsys.readouterr().err


def test_the_api_gives_types_and_counts(drawings) -> None:
    model = open_model(shipped.shipped_model())
    image = drawings[0].image
    answer = model.answer(image, cells=True)
    said = result_of("leukonet", answer, (image.shape[1], image.shape[0]), model.facts, True, None)
    assert said.cells and {cell.type for cell in said.cells} <= set(model.facts.classes)
    counted = sum(cell.type not in model.facts.reader.uncounted for cell in said.cells)
    assert sum(kind.cells for kind in said.counts) == counted
    assert said.headline.startswith("The cell nearest the middle: ")
    without = result_of("leukonet", model.answer(image), (image.shape[1], image.shape[0]), model.facts, False, None)
    assert without.counts == [] and without.cells is None


def test_a_blank_page_and_two_cells_far_apart(drawings) -> None:
    """Crops without a cell are held back; a picture with several is answered for the one nearest the middle."""
    model = open_model(shipped.shipped_model())
    blank = model.answer(np.full((200, 200, 3), 240, np.uint8), cells=True)
    assert blank.cells == () and blank.abstains and blank.reasons[0].text == "No white cell was found."
    answer = model.answer(drawings[0].image, cells=True)
    height, width = drawings[0].image.shape[:2]
    nearest = min(answer.cells, key=lambda cell: np.hypot(cell.facts["x"] - width / 2, cell.facts["y"] - height / 2))
    assert nearest.type is not None and nearest.type.label == answer.label
    assert nearest.type.probabilities == pytest.approx(answer.probabilities, abs=1e-4)


def test_predict_needs_nothing_but_the_packages_that_are_installed_without_extras(folder: Path, tmp_path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {re.split(r"[=\[<>]", name)[0] for names in project["optional-dependencies"].values() for name in names}
    names = {"scikit-image": "skimage", "scikit-learn": "sklearn", "pyyaml": "yaml"}
    blocked = sorted({names.get(name, name.replace("-", "_")) for name in extras} - {"setuptools", "wheel"})
    code = f"""
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ModuleNotFoundError("not installed: " + name)
sys.meta_path.insert(0, Blocked())
from leukoflow import cli
sys.exit(cli.main(sys.argv[1:]))
"""
    arguments = ["predict", str(folder / "patient 0"), "--output", str(tmp_path / "a.csv"), "--processes", "1"]
    arguments += ["--differential", str(tmp_path / "d.csv"), "--geojson", str(tmp_path / "g")]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "d.csv").exists()


def test_another_scale_is_another_question(folder: Path, tmp_path: Path, capsys) -> None:
    output = tmp_path / "a.csv"
    command = ["predict", str(folder / "patient 0"), "--output", str(output), "--processes", "1"]
    assert cli.main(command) == 0
    found = list(csv.DictReader(output.open()))
    assert len({row["scale"] for row in found}) == 1
    assert cli.main([*command, "--um-per-pixel", "0.05"]) == 0
    assert "(3 of them again" in capsys.readouterr().out
    given = list(csv.DictReader(output.open()))
    assert {row["scale"] for row in given} == {"0.05 um a pixel (given)"}
    assert cli.main([*command, "--um-per-pixel", "0.05"]) == 0 and "3 answers kept" in capsys.readouterr().out
    assert cli.main([*command, "--um-per-pixel", "500"]) == 1
    assert "--um-per-pixel: 500.0 is no scale of a smear" in capsys.readouterr().err
