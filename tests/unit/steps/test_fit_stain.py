"""Step fit_stain: what pictures are brought to is found in the training role of one fold alone."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage import color

from leukoflow.config.load import parse_study
from leukoflow.config.plan import drawn_view, runs_of, stain_name
from leukoflow.config.views import View
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json
from leukoflow.core.picture import Picture, Raster
from leukoflow.images.stain import fitted
from leukoflow.images.views import render_view
from leukoflow.outputs.plan import Plan
from leukoflow.quality.measure import STAIN_COLUMNS
from leukoflow.steps import fit_stain

ROLES = ["train", "train", "validation", "test", "train"]
FILLED = [0.2, 0.3, 0.2, 0.2, 0.0]


@pytest.fixture
def quality() -> pd.DataFrame:
    """Five images with random stains, the last without foreground."""
    rng = np.random.default_rng(3)
    table = pd.DataFrame({name: rng.uniform(1, 50, 5) for name in STAIN_COLUMNS})
    return table.assign(image_id=[f"image{index}" for index in range(5)], foreground_fraction=FILLED)


@pytest.fixture
def split(quality: pd.DataFrame) -> pd.DataFrame:
    """Two folds; in the second one the test image is trained on."""
    first = pd.DataFrame({"image_id": quality["image_id"], "fold": 0, "role": ROLES})
    return pd.concat([first, first.assign(fold=1, role=["test", "train", "train", "train", "validation"])])


def stain_of(folder: Path, quality: pd.DataFrame, split: pd.DataFrame, fold: int) -> dict:
    quality.to_parquet(folder / "quality.parquet")
    split.to_parquet(folder / "split.parquet")
    arguments = ["--quality", "quality.parquet", "--split", "split.parquet", "--output", "stain.json"]
    fit_stain.main(
        [str(folder / argument) if "." in argument else argument for argument in arguments] + ["--fold", str(fold)]
    )
    return read_json(folder / "stain.json")


def test_mean_of_training_images_with_foreground(tmp_path: Path, quality: pd.DataFrame, split: pd.DataFrame) -> None:
    for fold, rows in ((0, [0, 1]), (1, [1, 2, 3])):
        stain = stain_of(tmp_path, quality, split, fold)
        for moment in ("mean", "sd"):
            columns = [f"foreground_{channel}_{moment}" for channel in "Lab"]
            assert np.allclose(stain[moment], quality.loc[rows, columns].to_numpy().mean(axis=0), rtol=1e-12)
        assert stain["images"] == len(rows)


def test_other_roles_change_nothing(tmp_path: Path, quality: pd.DataFrame, split: pd.DataFrame) -> None:
    before = stain_of(tmp_path, quality, split, 0)
    others = quality.copy()
    others.loc[[2, 3], list(STAIN_COLUMNS)] = others.loc[[3, 2], list(STAIN_COLUMNS)].to_numpy() * 7
    assert stain_of(tmp_path, others, split, 0) == before
    assert stain_of(tmp_path, others, split, 1) != before


def test_no_training_image_with_foreground(tmp_path: Path, quality: pd.DataFrame, split: pd.DataFrame) -> None:
    with pytest.raises(LeukoFlowError, match="no training image of fold 0 has any foreground"):
        stain_of(tmp_path, quality.assign(foreground_fraction=0.0), split, 0)


def test_the_stain_of_a_whole_cohort(tmp_path: Path, quality: pd.DataFrame) -> None:
    """All images with foreground, and no others; the exported view carries the numbers."""
    folder = tmp_path / "away"
    folder.mkdir()
    quality.to_parquet(folder / "quality.parquet")
    arguments = ["--quality", str(folder / "quality.parquet"), "--output", str(tmp_path / "stain.json")]
    fit_stain.main(arguments)
    stain = read_json(tmp_path / "stain.json")
    for moment in ("mean", "sd"):
        columns = [f"foreground_{channel}_{moment}" for channel in "Lab"]
        assert np.allclose(stain[moment], quality.loc[:3, columns].to_numpy().mean(axis=0), rtol=1e-12)
    assert stain["images"] == 4
    view = View.model_validate({"kind": "chain", "steps": [{"reinhard": {"target": {"cohort": "away"}}}, "clahe"]})
    carried = fitted(view, tmp_path / "stain.json")
    assert carried.target == "given" and carried.chain[0].mean == tuple(stain["mean"])
    assert carried.chain[0].sd == tuple(stain["sd"]) and carried.chain[1:] == view.chain[1:]
    quality.assign(foreground_fraction=0.0).to_parquet(folder / "quality.parquet")
    with pytest.raises(LeukoFlowError, match="no image of away has any foreground"):
        fit_stain.main(arguments)


@pytest.mark.parametrize(
    ("view", "message"),
    [
        ({"kind": "normalised", "reinhard": {"target": {"cohort": "nowhere"}}}, "'nowhere' is not in section cohorts"),
        ({"kind": "normalised", "reinhard": {"target": {"cohort": "home"}}}, "set target to training"),
        ({"kind": "chain", "steps": ["clahe", {"reinhard": {"target": {"cohort": "away"}}}]}, "comes first"),
    ],
)
def test_the_cohort_of_a_stain_is_another_one_and_known(view: dict, message: str) -> None:
    with pytest.raises(LeukoFlowError, match=message):
        parse_study(study(view))


def test_one_stain_of_a_cohort_serves_every_fold() -> None:
    parsed = parse_study(study({"kind": "normalised", "reinhard": {"target": {"cohort": "away"}}}))
    run = runs_of(parsed, "one")[0]
    assert drawn_view(parsed, run) == "stained" and stain_name(parsed, "stained", "") == "cohort.away"
    plan = Plan(parsed, {})
    assert plan.stains("home", "stained") == ["results/s/stains/cohort.away.json"]


def study(view: dict) -> dict:
    return {
        "study": "s",
        "cohorts": {"home": {"kind": "synthetic"}, "away": {"kind": "synthetic"}},
        "tasks": {"kind": {"classes": ["a", "b"]}},
        "views": {"stained": view},
        "models": {"net": {"architecture": "neurallnet"}},
        "experiments": {"one": {"cohort": "home", "task": "kind", "models": ["net"], "views": ["stained"]}},
    }


def test_a_template_image(tmp_path: Path) -> None:
    image = np.full((64, 64, 3), 240, np.uint8)
    rng = np.random.default_rng(5)
    cell = np.s_[16:48, 16:48]
    image[cell] = rng.integers((90, 40, 120), (130, 80, 160), (32, 32, 3))
    Image.fromarray(image).save(tmp_path / "template.png")
    fit_stain.main(["--template", str(tmp_path / "template.png"), "--output", str(tmp_path / "stain.json")])
    stain = read_json(tmp_path / "stain.json")
    lab = color.rgb2lab(image)[Raster(image).foreground]
    assert np.allclose(stain["mean"], lab.mean(axis=0), atol=1.5) and np.allclose(stain["sd"], lab.std(axis=0), atol=1)
    view = View.model_validate({"kind": "chain", "size": 64, "steps": [{"reinhard": {"target": "template.png"}}]})
    made = render_view(Picture(Raster(image)), fitted(view, tmp_path / "stain.json"))
    # A picture brought to its own stain stays as it is, but for the rounding of 8-bit Lab.
    assert np.abs(made[cell].astype(int) - image[cell]).mean() < 2


def test_what_is_no_template(tmp_path: Path) -> None:
    output = ["--output", str(tmp_path / "stain.json")]
    for name, data in (("text.png", b"no image"), ("absent.png", None)):
        if data:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(LeukoFlowError, match=f"{name}: the template image cannot be read: .*"):
            fit_stain.main(["--template", str(tmp_path / name), *output])
    Image.fromarray(np.full((32, 32, 3), 245, np.uint8)).save(tmp_path / "blank.png")
    with pytest.raises(LeukoFlowError, match="blank.png: the template image has no foreground"):
        fit_stain.main(["--template", str(tmp_path / "blank.png"), *output])
    assert not (tmp_path / "stain.json").exists()
