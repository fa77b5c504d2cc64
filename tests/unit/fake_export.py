"""A small study's files, as the pipeline writes them, from which a network can be exported."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from smears import drawn_smears

from leukoflow.audits import gate, novelty
from leukoflow.cells.attention_unet import AttentionUNet
from leukoflow.cells.threshold import Thresholds
from leukoflow.config.study import Study
from leukoflow.config.views import View
from leukoflow.core.files import write_json, write_table
from leukoflow.core.picture import Picture, Raster
from leukoflow.core.runs import Run
from leukoflow.images.shards import Shards, open_view, write_shard
from leukoflow.images.views import render_view
from leukoflow.models import inference, registry
from leukoflow.models.penultimate import collect
from leukoflow.quality.measure import measure
from leukoflow.steps import card, export

CLASSES = ["Benign", "Early", "Pre", "Pro"]
SIDE = 48
VIEW = View(kind="plain", size=SIDE)
STUDY = {
    "study": "tiny",
    "cohorts": {"demo": {"kind": "synthetic", "images": 48, "patients": 12, "size": 64}},
    "tasks": {"subtype": {"classes": CLASSES}},
    "views": {"plain": VIEW.model_dump()},
    "models": {"neurallnet": {"architecture": "neurallnet", "size": "small"}},
    "experiments": {"e": {"cohort": "demo", "task": "subtype", "models": ["neurallnet"], "protocols": ["patient"]}},
    "segmentation": {"method": "unet", "sources": ["demo"], "width": 0.0625, "size": 64},
    "export": {"calibration": 8, "compared": 12, "examples": 8},
}


@dataclass(frozen=True)
class Made:
    """What was exported, and what it was made from."""

    folder: Path
    run: Run
    images: list[np.ndarray]
    """uint8 [64, 64, 3]."""
    split: pd.DataFrame
    view: Shards
    model: torch.nn.Module
    reference: novelty.Reference


def make_export(root: Path, size: str = "small", side: int = SIDE, drawn: int = 64, steps: int = 2) -> Made:
    """Export a network with random weights by the steps `export` and `card`, with what they read next to it.

    size, steps: of the network; side: of what it sees; drawn: of the images, pixels.
    """
    plain = View(kind="plain", size=side)
    study = Study.model_validate(STUDY | {"views": {"plain": plain.model_dump()}})
    run = Run("demo", "subtype", "plain", "patient", "neurallnet", 0, 42)
    images, split = drawn_smears(0.5, images=48, patients=12, size=drawn)
    write_json(root / "study.json", study.model_dump(mode="json"))
    split["role"] = np.resize(["train", "train", "validation", "test"], len(split))
    view = _view(root, images, split, plain)
    model = _model(root, view, size, steps)
    features, logits = collect(
        model, torch.from_numpy(view.gather(np.arange(len(view)))).split(16), torch.device("cpu")
    )
    # What the network says is true of two images in three, so that there is something to calibrate.
    split["y"] = np.where(np.arange(len(split)) % 3 > 0, logits.argmax(1), (logits.argmax(1) + 1) % 4)
    write_table(root / "split.parquet", split)
    train = (split["role"] == "train").to_numpy()
    reference = novelty.refer(features.numpy()[train], split["y"].to_numpy()[train], 3)
    inference.save_tensors(
        root / "novelty.safetensors", {name: torch.from_numpy(tensor) for name, tensor in reference.tensors().items()}
    )
    scores = novelty.mahalanobis(reference, features.numpy())
    write_json(
        root / "thresholds.json",
        {"novelty": {"accepted": 0.95, "scores": {"mahalanobis": float(np.quantile(scores, 0.9))}}},
    )
    predictions = split.assign(logits=list(logits.numpy()), cohort="demo", perturbation="none")
    write_table(root / "predictions.parquet", predictions)
    quality = pd.DataFrame([measure(image).columns() for image in images])
    limits = {name: {"low": a, "high": b} for name, (a, b) in gate.limits_of(quality[train], 0.99).items()}
    write_json(root / "gate.json", gate.gate_file("demo", "subtype", "patient", 0.99, [{"fold": 0, "limits": limits}]))
    _segmenter(root, images[0])
    _tables(root, run)
    _steps(root, run, study)
    return Made(root / "neurallnet", run, images, split, view, model, reference)


def _view(root: Path, images: list[np.ndarray], split: pd.DataFrame, plain: View) -> Shards:
    (root / "view").mkdir(parents=True)
    pictures = (render_view(Picture(Raster(image)), plain) for image in images)
    digest = write_shard(root / "view/000.npy", pictures, len(images), plain.size)
    write_table(root / "view/000.parquet", split[["image_id"]].assign(shard_digest=digest))
    write_json(root / "view/view.json", {"images": len(images), "shards": [{"name": "000"}]})
    return open_view(root / "view/view.json")


def _model(root: Path, view: Shards, size: str, steps: int) -> torch.nn.Module:
    """Random weights, with the batch norms' statistics of the images, so that its neurons fire."""
    torch.manual_seed(0)
    model = registry.build("neurallnet", 4, size, steps=steps).train()
    with torch.no_grad():
        for _ in range(12):
            model(inference.to_input(torch.from_numpy(view.gather(np.arange(16))), torch.device("cpu")))
    model.eval()
    inference.save_tensors(root / "weights.safetensors", model.state_dict())
    description = {
        "architecture": "neurallnet", "title": "NeurALLNet", "source": "a paper", "size": size,
        "options": {"steps": steps}, "classes": CLASSES, "parameters": 35616, "weights": "random", "train_images": 24,
    }  # fmt: skip
    write_json(root / "model.json", description)
    return inference.load_model(description, root / "weights.safetensors")


def _segmenter(root: Path, image: np.ndarray) -> None:
    """Random weights, with biases by which three tenths of an image are cells, a third of them nucleus."""
    torch.manual_seed(1)
    network = AttentionUNet(width=0.0625).eval()
    picture = Picture(Raster(image)).rendition(64).raster.balanced[None]
    with torch.no_grad():
        logits = network(inference.to_input(torch.from_numpy(picture), torch.device("cpu")))
        network.head.bias -= torch.stack([logits[0, 0].quantile(0.7), logits[0, 1].quantile(0.9)])
    inference.save_tensors(root / "segmenter.safetensors", network.state_dict())
    write_json(root / "segmenter.json", {"method": "unet", "width": 0.0625, "thresholds": Thresholds().described()})


def _tables(root: Path, run: Run) -> None:
    row = {**run.columns(), "target": "demo", "role": "test", "subset": "all", "n": 12, "groups": 4, "class": None}
    rows = [
        row | {"metric": "accuracy", "value": 0.5, "low": 0.25, "high": 0.75, "resampling": resampling}
        for resampling in ("images", "groups")
    ]
    rows[0] |= {"low": 0.4, "high": 0.6}
    rows.append(rows[1] | {"model": "colour_histogram", "value": 0.75})
    write_table(root / "tables/scores.csv", pd.DataFrame(rows))
    fold = {name: run.columns()[name] for name in ("cohort", "task", "protocol", "fold")}
    shared = {"test": 12, "test_with_duplicate": 2, "test_with_acquisition": 0, "test_with_patient": 0}
    write_table(root / "tables/audit.csv", pd.DataFrame([fold | shared]))
    audit = {name: run.columns()[name] for name in ("cohort", "task", "view", "protocol", "model")}
    write_table(
        root / "tables/shortcut_audit.csv", pd.DataFrame([audit | {"level": "explained", "verdict": "All by colours."}])
    )


def _steps(root: Path, run: Run, study: Study) -> None:
    folder, costs = ["--folder", f"{root}/neurallnet"], ["--costs", f"{root}/costs.json"]
    shared = ["--run", run.name, "--description", f"{root}/model.json"]
    settings = study.export.model_dump_json(exclude={"models"})
    export.main(
        [*shared, *folder, *costs, "--settings", settings, "--weights", f"{root}/weights.safetensors", "--view",
         f"{root}/view/view.json", "--split", f"{root}/split.parquet", "--novelty", f"{root}/novelty.safetensors",
         "--segmenter", f"{root}/segmenter.safetensors", f"{root}/segmenter.json", "--size", "64", "--with-pictures"]
    )  # fmt: skip
    card.main(
        [*shared, *folder, *costs, "--study", f"{root}/study.json", "--predictions", f"{root}/predictions.parquet",
         "--thresholds", f"{root}/thresholds.json", "--gate", f"{root}/gate.json", "--segmenter",
         f"{root}/segmenter.json", "--tables", f"{root}/tables"]
    )  # fmt: skip
