"""From masks to cells: annotate, train_segmenter, score_segmenter, segment, on a small synthetic cohort."""

import argparse
import math
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from leukoflow.audits.changed import ChangedPictures, add_view, changed_pictures
from leukoflow.cells.attention_unet import AttentionUNet
from leukoflow.cells.labels import NUCLEUS, open_labels, parts_of
from leukoflow.cells.segmenter import load_segmenter, probabilities
from leukoflow.cells.threshold import segment_by_threshold, thresholds_of
from leukoflow.config.cohorts import SyntheticCohort
from leukoflow.config.evaluation import Evaluation
from leukoflow.config.masks import SYNTHETIC, Masks
from leukoflow.config.segmentation import Adaptation, Segmentation, SegmenterTraining
from leukoflow.config.splits import Splits
from leukoflow.config.views import View
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json, read_table, write_table
from leukoflow.core.picture import Raster
from leukoflow.images.perturbations import UNCHANGED, Change
from leukoflow.images.views import through
from leukoflow.models.inference import save_tensors
from leukoflow.steps import (
    adapt_segmenter,
    annotate,
    manifest,
    measure,
    render,
    score_segmenter,
    segment,
    synthesise,
    train_segmenter,
)
from leukoflow.steps.annotate import Annotation
from leukoflow.steps.score_segmenter import Scoring

COHORT = SyntheticCohort(kind="synthetic", images=40, size=96, patients=20)
TRAINING = SegmenterTraining(epochs=2, steps=3, batch_size=4, crop=48)
UNET = Segmentation(method="unet", sources=("demo",), width=0.0625, size=96, training=TRAINING)
THRESHOLD = Segmentation(sources=("demo",), size=96)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn and measured cohort, its groups, and its masks gathered."""
    root = tmp_path_factory.mktemp("cohort")
    drawn = ["--settings", COHORT.model_dump_json(), "--shard", "0", "--shards", "1", "--root", str(root)]
    synthesise.main([*drawn, "--output", str(root / "listing.parquet")])
    arguments: dict[str, object] = {"root": root, "listing": root / "listing.parquet", "shard": 0, "shards": 1}
    arguments |= {"max-pixels": 1_000_000, "output": root / "measured.parquet", "thumbnails": root / "thumbnails.npy"}
    arguments |= {"record": root / "record.parquet"}
    measure.main(["--whole", *options(arguments)])
    names = {name: str(root / f"{name}.{kind}") for name, kind in FILES.items()}
    manifest.main(["--measured", str(root / "measured.parquet"), *options(names)])
    ids = read_table(root / "manifest.parquet")["image_id"]
    groups = pd.DataFrame({"cohort": "demo", "image_id": ids, "duplicate_group": ids, "acquisition": ids})
    write_table(root / "groups.parquet", groups)
    gather(root, SYNTHETIC, root / "demo")
    return root


FILES = {"manifest": "parquet", "quality": "parquet", "files": "parquet", "rejects": "csv"}


def options(values: dict[str, object]) -> list[str]:
    return [str(part) for name, value in values.items() for part in (f"--{name}", value)]


def gather(root: Path, masks: Masks, folder: Path, steps: tuple[str, ...] = ()) -> None:
    asked = {"masks": masks, "splits": Splits(test=0.2, validation=0.15), "images": 2000, "size": 96, "steps": steps}
    settings = Annotation.model_validate(asked).model_dump_json()
    arguments = {"settings": settings, "cohort": "demo", "root": root, "manifest": root / "manifest.parquet"}
    arguments |= {"files": root / "files.parquet", "groups": root / "groups.parquet", "max-pixels": 1_000_000}
    arguments |= {name: folder / f"{name}.npy" for name in ("images", "parts", "labels")}
    arguments |= {"index": folder / "index.parquet", "record": folder / "record.parquet"}
    annotate.main(options({**arguments, "rejects": folder / "rejects.csv"}))


def train(root: Path, segmentation: Segmentation, output: Path) -> Path:
    arguments = {"settings": segmentation.model_dump_json(), "sources": root / "demo", "resume": output / "resume"}
    arguments |= {"weights": output / "weights.safetensors", "description": output / "segmenter.json"}
    train_segmenter.main(options({**arguments, "history": output / "history.csv"}))
    return output


@pytest.fixture(scope="module")
def segmenters(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("segmenters")
    return {
        segmentation.method: train(cohort, segmentation, folder / segmentation.method)
        for segmentation in (UNET, THRESHOLD)
    }


def test_masks_lie_on_their_images_and_roles_keep_patients_together(cohort: Path) -> None:
    index = read_table(cohort / "demo/index.parquet")
    parts, labels = (np.load(cohort / f"demo/{name}.npy") for name in ("parts", "labels"))
    np.testing.assert_array_equal(parts, parts_of(labels))
    listed = read_table(cohort / "manifest.parquet").set_index("image_id").loc[index["image_id"]]
    np.testing.assert_array_equal(labels[3], cv2.imread(str(cohort / listed["mask"].iloc[3]), cv2.IMREAD_UNCHANGED))
    assert index.groupby("role")["group"].nunique().sum() == index["group"].nunique()
    assert set(index["role"]) == {"train", "validation", "test"}
    assert listed["patient"].to_numpy().tolist() != [] and index["um_per_pixel"].between(0.5, 1.2).all()


def test_images_of_masks_go_through_the_chain_that_cells_are_looked_for_in(cohort: Path, tmp_path: Path) -> None:
    gather(cohort, SYNTHETIC, tmp_path, ("clahe", "grey"))
    plain, changed = np.load(cohort / "demo/images.npy"), np.load(tmp_path / "images.npy")
    chain = View.model_validate({"kind": "chain", "steps": ["clahe", "grey"]}).chain
    assert all(np.array_equal(through(Raster(one), chain), other) for one, other in zip(plain, changed, strict=True))
    assert np.array_equal(np.load(cohort / "demo/parts.npy"), np.load(tmp_path / "parts.npy"))
    with pytest.raises(ValidationError, match="steps cannot hold cells"):
        Segmentation.model_validate({"steps": ["cells"]})


def test_squeezed_images_and_their_masks_are_stretched_alike(cohort: Path, tmp_path: Path) -> None:
    for path in cohort.iterdir():
        if path.name not in ("files.parquet", "demo"):
            (tmp_path / path.name).symlink_to(path)
    write_table(tmp_path / "files.parquet", read_table(cohort / "files.parquet").assign(aspect=1.5))
    gather(tmp_path, SYNTHETIC, tmp_path / "demo")
    as_stored, parts = np.load(cohort / "demo/parts.npy"), np.load(tmp_path / "demo/parts.npy")
    assert not parts[:, :16].any() and not parts[:, -16:].any()  # 96 x 64 in a square of 96
    # The same pixels of the mask, two rows for every three.
    rows = np.load(tmp_path / "demo/labels.npy")[:, 16:-16]
    assert abs((rows > 0).mean() - (as_stored > 0).mean()) < 0.01
    images = np.load(tmp_path / "demo/images.npy")
    assert images[parts == NUCLEUS].mean() < images[parts == 0].mean() - 40


def test_no_mask_is_an_error(cohort: Path, tmp_path: Path) -> None:
    table = read_table(cohort / "manifest.parquet")
    for name in ("files.parquet", "groups.parquet"):
        (tmp_path / name).symlink_to(cohort / name)
    write_table(tmp_path / "manifest.parquet", table.assign(mask=None))
    with pytest.raises(LeukoFlowError, match="none of its images has a mask"):
        gather(tmp_path, SYNTHETIC, tmp_path / "demo")


def with_masks(cohort: Path, folder: Path, change: Callable[[int, np.ndarray], np.ndarray]) -> Path:
    """The same cohort with its masks changed; image files are linked."""
    folder.mkdir()
    for path in cohort.iterdir():
        if path.name not in ("masks", "demo", "archive"):
            (folder / path.name).symlink_to(path)
    for number, name in enumerate(read_table(cohort / "manifest.parquet")["mask"]):
        mask = cv2.imread(str(cohort / name), cv2.IMREAD_UNCHANGED)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), change(number, mask))
    return folder


def test_masks_that_cannot_be_used_are_rejects_and_the_study_goes_on(cohort: Path, tmp_path: Path) -> None:
    def spoilt(number: int, mask: np.ndarray) -> np.ndarray:
        if number == 2:
            return mask[:-1]
        return np.minimum(mask, 1) if number == 5 else mask

    root = with_masks(cohort, tmp_path / "root", spoilt)
    names = read_table(root / "manifest.parquet")["mask"]
    (root / names[7]).write_bytes(b"no image at all")
    (root / names[9]).unlink()
    gather(root, SYNTHETIC, tmp_path / "demo")
    rejects = read_table(tmp_path / "demo/rejects.csv").set_index("path")["reason"].to_dict()
    assert {name: rejects[name] for name in names[[2, 5, 7, 9]]} == rejects
    assert rejects[names[2]] == "the mask is 96 x 95, its image 96 x 96" and "use ids" in rejects[names[5]]
    assert "not a JPEG" in rejects[names[7]] and "cannot be opened" in rejects[names[9]]
    index, whole = (read_table(path / "demo/index.parquet") for path in (tmp_path, cohort))
    kept = [row for row in range(len(whole)) if row not in (2, 5, 7, 9)]
    assert index["image_id"].tolist() == whole["image_id"][kept].tolist() and (index["cell_pixels"] > 0).all()
    for name in ("images", "parts", "labels"):
        before, after = (np.load(path / f"demo/{name}.npy") for path in (cohort, tmp_path))
        np.testing.assert_array_equal(after, before[kept])


def test_masks_are_turned_by_their_orientation_as_images_are(cohort: Path, tmp_path: Path) -> None:
    """Stored upside down, with a note that says so."""
    root = with_masks(cohort, tmp_path / "root", lambda number, mask: mask)
    exif = Image.Exif()
    exif[274] = 3
    for name in read_table(cohort / "manifest.parquet")["mask"]:
        mask = cv2.imread(str(cohort / name), cv2.IMREAD_UNCHANGED)
        Image.fromarray(np.ascontiguousarray(mask[::-1, ::-1])).save(root / name, exif=exif)
    gather(root, SYNTHETIC, tmp_path / "demo")
    for name in ("parts", "labels"):
        before, after = (np.load(path / f"demo/{name}.npy") for path in (cohort, tmp_path))
        np.testing.assert_array_equal(after, before)


def test_masks_without_any_cell_stop_with_one_line(cohort: Path, tmp_path: Path) -> None:
    root = with_masks(cohort, tmp_path / "root", lambda number, mask: np.zeros_like(mask))
    with pytest.raises(LeukoFlowError, match=r"^demo: none of 40 masks holds a cell"):
        gather(root, SYNTHETIC, tmp_path / "demo")
    root = with_masks(cohort, tmp_path / "wrong", lambda number, mask: mask[:-1])
    with pytest.raises(LeukoFlowError, match=r"^demo: none of 40 masks can be used, .*the mask is 96 x 95"):
        gather(root, SYNTHETIC, tmp_path / "demo")
    assert not (tmp_path / "demo/index.parquet").exists()


def test_levels_0_and_1_and_ids_give_the_same_cells(cohort: Path, tmp_path: Path) -> None:
    ones = with_masks(cohort, tmp_path / "ones", lambda number, mask: (mask > 0).astype(np.uint8))
    ids = with_masks(cohort, tmp_path / "ids", lambda number, mask: (mask >> 1) + np.uint16(999) * (mask > 0))
    gather(ones, Masks(path="x", coding="foreground"), tmp_path / "demo")
    gather(ids, Masks(path="x", coding="ids"), tmp_path / "others")
    truth = np.load(cohort / "demo/labels.npy") >> 1
    for name in ("demo", "others"):
        np.testing.assert_array_equal(np.load(tmp_path / name / "parts.npy") > 0, truth > 0)
    for labels, wanted in zip(np.load(tmp_path / "others/labels.npy") >> 1, truth, strict=True):
        pairs = set(zip(labels.ravel().tolist(), wanted.ravel().tolist(), strict=True))
        assert len(pairs) == len(np.unique(labels)) == len(np.unique(wanted))


def test_empty_masks_have_no_dice_and_are_counted(cohort: Path, segmenters: dict[str, Path], tmp_path: Path) -> None:
    """Black images of empty masks: nothing is found if nothing is, which is no agreement of 1."""
    source = tmp_path / "demo"
    source.mkdir()
    index = read_table(cohort / "demo/index.parquet")
    tested = np.flatnonzero(index["role"] == "test")
    empty = tested[:2]
    for name in ("images", "parts", "labels"):
        array = np.load(cohort / f"demo/{name}.npy")
        array[empty] = 255 if name == "images" else 0
        np.save(source / f"{name}.npy", array)
    (source / "index.parquet").write_bytes((cohort / "demo/index.parquet").read_bytes())
    settings = Scoring(segmentation=THRESHOLD, evaluation=Evaluation(resamples=200)).model_dump_json()
    folder = segmenters["threshold"]
    arguments = {"settings": settings, "name": "all", "weights": folder / "weights.safetensors"}
    arguments |= {"description": folder / "segmenter.json"}
    tables = {}
    for name, root in (("all", cohort), ("emptied", tmp_path)):
        outputs = {"output": tmp_path / f"{name}.csv", "instances": tmp_path / f"{name}.i.csv"}
        score_segmenter.main(options({**arguments, "sources": root / "demo", **outputs}))
        tables[name] = read_table(tmp_path / f"{name}.csv").set_index(["part", "metric"])
    dice = tables["emptied"].loc[("cell", "dice")]
    assert (dice["images"], dice["undefined"]) == (len(tested) - 2, 2)
    assert tables["all"].loc[("cell", "dice"), "undefined"] == 0
    parts = np.load(source / "parts.npy")
    rules = thresholds_of(read_json(folder / "segmenter.json")["thresholds"])
    scores = []
    for row in tested[2:]:
        predicted, truth = segment_by_threshold(Raster(np.load(source / "images.npy")[row]), rules) > 0, parts[row] > 0
        scores.append(2 * (predicted & truth).sum() / (predicted.sum() + truth.sum()))
    assert dice["value"] == pytest.approx(np.mean(scores))


def test_thresholds_are_tuned_on_training_images_alone(cohort: Path, tmp_path: Path) -> None:
    """Masks of other roles may say anything: nothing changes."""
    spoilt = tmp_path / "demo"
    spoilt.mkdir()
    rows = read_table(cohort / "demo/index.parquet")["role"].to_numpy() != "train"
    for name in ("images", "parts", "labels"):
        array = np.load(cohort / f"demo/{name}.npy")
        array[rows] = array[rows][:, ::-1, ::-1]
        np.save(spoilt / f"{name}.npy", array)
    (spoilt / "index.parquet").write_bytes((cohort / "demo/index.parquet").read_bytes())
    first, second = (train(root, THRESHOLD, tmp_path / str(n)) for n, root in enumerate((cohort, tmp_path)))
    assert (first / "segmenter.json").read_bytes() == (second / "segmenter.json").read_bytes()
    assert read_json(first / "segmenter.json")["threshold_dice"]["cell"] > 0.85


def test_scores_are_those_of_the_test_role(cohort: Path, segmenters: dict[str, Path], tmp_path: Path) -> None:
    settings = Scoring(segmentation=UNET, evaluation=Evaluation(resamples=200)).model_dump_json()
    gather(cohort, Masks(path="", coding="foreground", expert=False), tmp_path / "archive")
    folder = segmenters["unet"]
    arguments = {"settings": settings, "name": "all", "weights": folder / "weights.safetensors"}
    arguments |= {
        "description": folder / "segmenter.json",
        "sources": cohort / "demo",
        "archives": tmp_path / "archive",
    }
    score_segmenter.main(options({**arguments, "output": tmp_path / "s.csv", "instances": tmp_path / "i.csv"}))
    scores, instances = read_table(tmp_path / "s.csv"), read_table(tmp_path / "i.csv")
    tested = (read_table(cohort / "demo/index.parquet")["role"] == "test").sum()
    expert = scores[scores["kind"] == "expert"].set_index(["segmenter", "part", "metric"])
    assert (expert["images"] == tested).all() and expert["within"].all()
    assert expert.loc[("threshold", "cell", "dice"), "value"] > 0.8
    assert (expert["low"] <= expert["value"]).all() and (expert["value"] <= expert["high"]).all()
    assert (instances["true_cells"] > 0).all() and set(instances["segmenter"]) == {"unet", "threshold"}
    agreement = scores[scores["kind"] == "agreement"]
    assert set(agreement["metric"]) == {"dice", "iou", "marked"} and not agreement["within"].any()
    assert {"Benign", "Early", "Pre", "Pro"} < set(agreement["label"].fillna("")) | {""}


def test_other_gates_are_trained_named_and_scored_without_thresholds(cohort: Path, tmp_path: Path) -> None:
    other = UNET.model_copy(update={"gates": "none"})
    folder = train(cohort, other, tmp_path / "none")
    description = read_json(folder / "segmenter.json")
    with_gates = sum(parameter.numel() for parameter in AttentionUNet(width=0.0625).gates.parameters())
    whole = sum(parameter.numel() for parameter in AttentionUNet(width=0.0625).parameters())
    assert description["gates"] == "none" and description["parameters"] == whole - with_gates
    compared = UNET.model_copy(update={"compared_gates": ("none",)})
    settings = Scoring(segmentation=compared, evaluation=Evaluation(resamples=200)).model_dump_json()
    arguments = {"settings": settings, "name": "all", "weights": folder / "weights.safetensors"}
    arguments |= {"description": folder / "segmenter.json", "sources": cohort / "demo"}
    score_segmenter.main(options({**arguments, "output": tmp_path / "s.csv", "instances": tmp_path / "i.csv"}))
    for name in ("s.csv", "i.csv"):
        table = read_table(tmp_path / name)
        assert set(zip(table["segmenter"], table["network"], strict=True)) == {("unet", "no gates")}


def adapt(cohort: Path, root: Path, start: Path, output: Path, **asked: object) -> Path:
    """The segmenter trained further on the images below a root, which are no source."""
    adapted = UNET.model_copy(update={"adapt": Adaptation.model_validate({"cohort": "away", "epochs": 1, **asked})})
    arguments = {"settings": adapted.model_dump_json(), "size": 96, "root": root, "files": root / "files.parquet"}
    arguments |= {"sources": cohort / "demo", "max-pixels": 1_000_000, "resume": output / "resume"}
    arguments |= {"weights": output / "weights.safetensors", "description": output / "segmenter.json"}
    started = ["--start", str(start / "weights.safetensors"), str(start / "segmenter.json")]
    adapt_segmenter.main([*options({**arguments, "history": output / "history.csv"}), *started])
    return output


def surer(segmenter: Path, images: np.ndarray, folder: Path) -> Path:
    """The hardly trained segmenter, sure of itself: three tenths of the pixels are cells, a third of them nucleus."""
    network = load_segmenter(read_json(segmenter / "segmenter.json"), segmenter / "weights.safetensors")
    chance = probabilities(network, [Raster(image) for image in images])
    middle = np.array([np.quantile(chance[:, 0], 0.7), np.quantile(chance[:, 1], 0.9)])
    with torch.no_grad():
        network.head.bias -= torch.from_numpy(np.log(middle / (1 - middle))).to(network.head.bias)
        for parameter in (network.head.weight, network.head.bias):
            parameter *= 50
    folder.mkdir()
    save_tensors(folder / "weights.safetensors", network.state_dict())
    (folder / "segmenter.json").write_bytes((segmenter / "segmenter.json").read_bytes())
    return folder


def test_an_adapted_segmenter_reads_no_mask_and_says_what_it_has_seen(
    cohort: Path, segmenters: dict[str, Path], tmp_path: Path
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    for path in cohort.iterdir():
        if path.name not in ("masks", "demo"):
            (root / path.name).symlink_to(path)
    start = surer(segmenters["unet"], np.load(cohort / "demo/images.npy")[:8], tmp_path / "start")
    folder = adapt(cohort, root, start, tmp_path / "adapted", confidence=0.51, certain=0, images=20)
    before, after = (read_json(trained / "segmenter.json") for trained in (segmenters["unet"], folder))
    seen = after["adapted"]
    assert (seen["cohort"], seen["images"]) == ("away", 20) and 0 < seen["used"] <= 20
    assert 0 <= seen["doubtful_pixels"] < 1
    assert {key: after[key] for key in ("sources", "width", "gates", "parameters", "thresholds")} == {
        key: before[key] for key in ("sources", "width", "gates", "parameters", "thresholds")
    }
    assert len(read_table(folder / "history.csv")) == 1 and not (tmp_path / "adapted/resume").exists()
    # Held against masks of the cohort, it is marked as one that has seen the images.
    (tmp_path / "away").symlink_to(cohort / "demo")
    settings = Scoring(segmentation=UNET, evaluation=Evaluation(resamples=200)).model_dump_json()
    arguments = {"settings": settings, "name": "all", "weights": folder / "weights.safetensors"}
    arguments |= {"description": folder / "segmenter.json", "sources": tmp_path / "away"}
    score_segmenter.main(options({**arguments, "output": tmp_path / "s.csv", "instances": tmp_path / "i.csv"}))
    table = read_table(tmp_path / "s.csv")
    named = f"gates C/4, adapted to away ({seen['used']} of 20 images, transductive)"
    assert set(table["network"]) == {named} and table["within"].all()


def test_a_segmenter_that_is_certain_of_nothing_is_not_adapted(
    cohort: Path, segmenters: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(LeukoFlowError, match=r"^away: the segmenter is certain of the cells of none of its images"):
        adapt(cohort, cohort, segmenters["unet"], tmp_path / "adapted", confidence=0.9999, certain=1)
    assert not (tmp_path / "adapted/weights.safetensors").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"adapt": {"cohort": "a"}}, "adapt trains a network further, and method is threshold"),
        ({"method": "unet", "sources": ["a"], "adapt": {"cohort": "a"}}, "a is a source, whose masks are trained on"),
        ({"compared_gates": ["half"]}, "compared_gates compares networks, and method is threshold"),
        ({"method": "unet", "sources": ["a"], "compared_gates": ["quarter"]}, "other gates than gates, each once"),
        ({"method": "unet", "sources": ["a"], "compared_gates": ["none", "none"]}, "other gates than gates, each once"),
    ],
)
def test_what_cannot_be_compared_or_adapted_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Segmentation.model_validate(settings)


@pytest.mark.parametrize("method", ["unet", "threshold"])
def test_every_image_gets_a_label_map(cohort: Path, segmenters: dict[str, Path], tmp_path: Path, method: str) -> None:
    settings = UNET if method == "unet" else THRESHOLD
    folder = segmenters[method]
    for shard in range(2):
        arguments = {"settings": settings.model_dump_json(), "size": 96, "root": cohort, "shard": shard, "shards": 2}
        arguments |= {"files": cohort / "files.parquet"}
        arguments |= {"weights": folder / "weights.safetensors", "description": folder / "segmenter.json"}
        arguments |= {"max-pixels": 1_000_000, "output": tmp_path / f"{shard:03d}.npy"}
        segment.main(options({**arguments, "index": tmp_path / f"{shard:03d}.parquet"}))
    maps = open_labels([tmp_path / f"{shard:03d}.npy" for shard in range(2)])
    ids = read_table(cohort / "manifest.parquet")["image_id"]
    assert maps.image_ids.tolist() == ids.tolist() and maps.size == 96
    some = maps.gather(maps.rows_of(ids[[5, 30]]))
    assert some.shape == (2, 96, 96) and some.dtype == np.uint16
    if method == "threshold":
        assert (maps.gather(range(len(ids))) > 1).any(axis=(1, 2)).mean() > 0.8
    with pytest.raises(LeukoFlowError, match="has no label map"):
        maps.rows_of(["nobody.jpg"])


def test_without_any_source_the_defaults_stand(tmp_path: Path) -> None:
    arguments = {"settings": Segmentation().model_dump_json(), "resume": tmp_path / "r"}
    arguments |= {"weights": tmp_path / "w.safetensors", "description": tmp_path / "d.json"}
    train_segmenter.main(options({**arguments, "history": tmp_path / "h.csv"}))
    assert read_json(tmp_path / "d.json")["thresholds"]["cell"]["method"] == "stained"


VIEWS: dict[str, dict[str, object]] = {
    "chain": {"kind": "chain", "size": 64, "steps": ["clahe", "cells"]},
    "background": {"kind": "background", "size": 96},
    "cells": {"kind": "cells", "size": 32, "um_per_pixel": 0.6},
}


def changed(cohort: Path, segmenter: Path, view: dict[str, object], names: list[str]) -> ChangedPictures:
    """The images of a view that needs cells, to be changed."""
    arguments = argparse.ArgumentParser()
    add_view(arguments)
    values: dict[str, object] = {"view": "none", "rendering": View.model_validate(view).model_dump_json()}
    values |= {"root": cohort, "files": cohort / "files.parquet", "cell-size": 96}
    values |= {"segmentation": THRESHOLD.model_dump_json()}
    more = ["--segmenter", str(segmenter / "weights.safetensors"), str(segmenter / "segmenter.json")]
    return changed_pictures(arguments.parse_args([*options(values), *more]), names, 42)


@pytest.mark.parametrize("name", sorted(VIEWS))
def test_views_of_cells_are_made_again_of_changed_pictures(
    cohort: Path, segmenters: dict[str, Path], name: str, tmp_path: Path
) -> None:
    segmenter = segmenters["threshold"]
    arguments: dict[str, object] = {"settings": THRESHOLD.model_dump_json(), "root": cohort, "shard": 0, "shards": 1}
    arguments |= {"files": cohort / "files.parquet", "max-pixels": 1_000_000}
    more = {"size": 96, "weights": segmenter / "weights.safetensors", "description": segmenter / "segmenter.json"}
    segment.main(options({**arguments, **more, "output": tmp_path / "cells.npy", "index": tmp_path / "cells.parquet"}))
    view = View.model_validate(VIEWS[name])
    drawn = {**arguments, "settings": view.model_dump_json(), "labels": tmp_path / "cells.npy"}
    render.main(options({**drawn, "output": tmp_path / "view.npy", "index": tmp_path / "view.parquet"}))
    names = read_table(cohort / "manifest.parquet")["image_id"].tolist()
    pictures = changed(cohort, segmenter, VIEWS[name], names)
    (batch,) = pictures.batches()
    made, owner = pictures.under(UNCHANGED, batch)
    # Without a change, what a network sees is what the study rendered.
    assert np.array_equal(made, np.load(tmp_path / "view.npy"))
    assert [names[number] for number in owner] == read_table(tmp_path / "view.parquet")["image_id"].tolist()
    # Turned by half, cells are found where they lie now: rendering and turning can be swapped.
    turned = Change("turned", math.nan, lambda images, random: images[:, ::-1, ::-1])
    upside_down, _ = pictures.under(turned, batch)
    if name != "cells":
        assert np.abs(upside_down[:, ::-1, ::-1].astype(int) - made).mean() < 3
    else:
        assert 0.8 < len(upside_down) / len(made) < 1.25
    # Where all is dark, there is nothing to be found.
    dark = Change("dark", math.nan, lambda images, random: np.zeros_like(images))
    black, _ = pictures.under(dark, batch)
    assert {"chain": (black == 255).all(), "background": not black.any(), "cells": len(black) == 0}[name]


def test_a_zoom_changes_the_scale_that_cells_are_judged_by(cohort: Path, segmenters: dict[str, Path]) -> None:
    names = read_table(cohort / "manifest.parquet")["image_id"].tolist()
    pictures = changed(cohort, segmenters["threshold"], VIEWS["cells"], names)
    (batch,) = pictures.batches()
    same = Change("same", math.nan, zoom=np.ones(len(names)))
    tiny = Change("tiny", math.nan, zoom=np.full(len(names), 20.0))  # as if each pixel were a twentieth as wide
    assert len(pictures.under(same, batch)[0]) == len(pictures.under(UNCHANGED, batch)[0]) > 0
    assert len(pictures.under(tiny, batch)[0]) == 0
