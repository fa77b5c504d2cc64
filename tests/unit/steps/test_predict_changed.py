"""Models on changed test images."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from leukoflow.audits.changed import BATCH, ChangedPictures
from leukoflow.config.robustness import Robustness
from leukoflow.config.views import View
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json, write_json, write_table
from leukoflow.core.seeding import generator
from leukoflow.images.perturbations import FAMILIES, Change, changes_of
from leukoflow.images.shards import open_view
from leukoflow.models import inference, registry
from leukoflow.steps import deep_features, fit_features, gather_features, predict_changed, train, transform_features

NONE = Robustness(**dict.fromkeys(FAMILIES, ()))
CLASSES = ["Benign", "Early", "Pre", "Pro"]
COLOURS = np.array([(210, 120, 120), (120, 190, 120), (120, 120, 210), (190, 190, 90)])
COUNT = 150


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A view of noisy plain colours, one for each class, its split, and a colour histogram fitted on the training role,
    which sees nothing but colour."""
    root = tmp_path_factory.mktemp("changed")
    random = np.random.default_rng(0)
    y = np.arange(COUNT) % 4
    images = np.clip(COLOURS[y][:, None, None] + random.normal(0, 12, (COUNT, 24, 24, 3)), 0, 255).astype(np.uint8)
    names = [f"{number:03d}.png" for number in range(COUNT)]
    np.save(root / "000.npy", images)
    write_table(root / "000.parquet", pd.DataFrame({"image_id": names}))
    write_json(root / "view.json", {"shards": ["0"]})
    role = np.where(np.arange(COUNT) < 60, "train", np.where(np.arange(COUNT) < 70, "validation", "test"))
    split = {"image_id": names, "y": y, "label": "", "group": names, "fold": 0, "role": role}
    write_table(root / "split.parquet", pd.DataFrame(split))
    model = registry.build("colour_histogram", 4, "small")
    train = torch.from_numpy(images[:60])
    model.fit(model.features(inference.to_input(train, torch.device("cpu"))), torch.from_numpy(y[:60]), 0)
    inference.save_tensors(root / "weights.safetensors", model.state_dict())
    facts = {"architecture": "colour_histogram", "size": "small", "options": {}, "classes": CLASSES}
    write_json(root / "model.json", facts | {"precision": "32-true", "class_shares": [0.25] * 4})
    return root


def arguments(root: Path, output: Path) -> list[str]:
    named = {"cohort": "demo", "weights": root / "weights.safetensors", "description": root / "model.json"}
    named |= {"view": root / "view.json", "split": root / "split.parquet", "fold": 0, "seed": 42, "output": output}
    return [text for name, value in named.items() for text in (f"--{name}", str(value))]


def predicted(root: Path, output: Path, settings: Robustness, *more: str) -> pd.DataFrame:
    predict_changed.main(["--settings", settings.model_dump_json(), *arguments(root, output), *more])
    return pd.read_parquet(output)


def accuracy(table: pd.DataFrame) -> float:
    return float((np.stack(table["probabilities"].to_list()).argmax(1) == table["y"]).mean())


def test_a_model_of_colours_falls_with_the_stain_and_stands_turning(trained: Path, tmp_path: Path) -> None:
    settings = NONE.model_copy(update={"stain_shift": (0.4,), "rotation": (20.0,), "brightness": (-0.5,)})
    table = predicted(trained, tmp_path / "changed.parquet", settings)
    accuracies = {name: accuracy(part) for name, part in table.groupby("perturbation")}
    assert accuracies["none"] > 0.97 and accuracies["rotation"] == pytest.approx(accuracies["none"], abs=0.02)
    assert accuracies["stain_shift"] < 0.6 and accuracies["brightness"] < 0.6


def test_unchanged_images_are_predicted_as_ever(trained: Path, tmp_path: Path) -> None:
    table = predicted(trained, tmp_path / "changed.parquet", NONE.model_copy(update={"jpeg": (50, 10)}))
    assert list(table.columns) == predict_changed.COLUMNS and set(table["role"]) == {"test"}
    assert table.groupby("perturbation")["image_id"].size().to_dict() == {"none": 80, "jpeg": 160}
    assert table.loc[table["perturbation"] == "jpeg", "level"].tolist() == [50.0] * 80 + [10.0] * 80
    assert table["level"].isna().sum() == 80 and set(table["target"]) == {""}
    none = table[table["perturbation"] == "none"]
    model = inference.load_model(read_json(trained / "model.json"), trained / "weights.safetensors")
    images = torch.from_numpy(np.load(trained / "000.npy")[70:])
    expected = inference.predict(model, [images], torch.device("cpu"))
    assert none["image_id"].tolist() == [f"{number:03d}.png" for number in range(70, COUNT)]
    assert np.allclose(np.stack(none["logits"]), expected, atol=1e-6)


def test_images_are_drawn_by_seed_and_threads_change_nothing(trained: Path, tmp_path: Path) -> None:
    settings = NONE.model_copy(update={"images": 70, "gaussian_noise": (0.01, 0.1), "occlusion": (0.1,)})
    first = predicted(trained, tmp_path / "a.parquet", settings)
    again = predicted(trained, tmp_path / "b.parquet", settings, "--threads", "3")
    pd.testing.assert_frame_equal(first, again)
    chosen = first.loc[first["perturbation"] == "none", "image_id"].tolist()
    assert len(chosen) == 70 and chosen == sorted(chosen)
    assert all(part["image_id"].tolist() == chosen for _, part in first.groupby(["perturbation", "level"]))
    other = predicted(trained, tmp_path / "c.parquet", settings.model_copy(update={"seed": 1}))
    assert other["image_id"].tolist() != first["image_id"].tolist()


def pictures_of(root: Path, rows: np.ndarray, view: View | None = None) -> ChangedPictures:
    return ChangedPictures(open_view(root / "view.json"), rows, np.arange(len(rows)), 42, view)


def test_logits_come_back_under_their_changes(trained: Path) -> None:
    rows = np.arange(COUNT)[: 2 * BATCH + 3]
    changes = [Change(str(number), math.nan) for number in range(4)]
    seen = predict_changed.Seen(pictures_of(trained, rows), changes)
    sizes = [len(images) for images in seen]
    assert sizes == [BATCH] * 8 + [3] * 4
    expected = torch.arange(4 * len(rows)).reshape(4, len(rows), 1)
    batches = [expected[change, start : start + BATCH] for start in (0, BATCH, 2 * BATCH) for change in range(4)]
    assert torch.equal(torch.stack(seen.by_change(torch.cat(batches))), expected)
    assert all(np.array_equal(seen.owners(number), np.arange(len(rows))) for number in range(4))
    nothing = predict_changed.Seen(pictures_of(trained, rows[:0]), changes)
    assert not list(nothing) and [logits.shape for logits in nothing.by_change(torch.empty(0, 1))] == [(0, 1)] * 4


def test_batches_are_the_families_own_work(trained: Path) -> None:
    settings = NONE.model_copy(update={"gaussian_noise": (0.05,)})
    pictures = pictures_of(trained, np.arange(70, 150))
    batches = list(predict_changed.Seen(pictures, changes_of(settings)))
    assert [len(batch) for batch in batches] == [64, 64, 16, 16]
    images = pictures.data.gather(np.arange(134, 150))
    expected = FAMILIES["gaussian_noise"](images, 0.05, generator(42, "stress", "gaussian_noise", 64))
    assert np.array_equal(batches[3].numpy(), expected)


FEATURES = {"kind": "deep", "backbones": [{"name": "convnext_atto"}, {"name": "mobilenetv3_small_050"}]}
FEATURES |= {"grid": 1, "stack": "as_coded", "stack_size": "small", "selection": {"features": 40, "stability": 0}}


def classified(root: Path, folder: Path) -> list[str]:
    """Features of the view's images, and a classifier trained on the best of them; arguments of the step."""
    ids = pd.read_parquet(root / "000.parquet")
    write_table(folder / "000.parquet", ids.assign(shard_digest="0"))
    np.save(folder / "000.npy", np.repeat(np.repeat(np.load(root / "000.npy"), 2, axis=1), 2, axis=2))
    write_json(folder / "view.json", {"shards": ["0"]})
    out, split, entry = folder / "features", str(root / "split.parquet"), json.dumps(FEATURES)
    named = {"images": folder / "000.npy", "resume": folder / "resume", "output": out / "000.npy"}
    named |= {"index": out / "000.parquet", "description": out / "000.json"}
    deep_features.main(["--settings", entry, *listed(named)])
    gather_features.main(["--descriptions", str(out / "000.json"), "--output", str(out / "matrix.json")])
    made = folder / "selection"
    parts = {"stack": made / "stack.safetensors", "scaler": made / "scaler.safetensors"}
    parts |= {"description": made / "features.json", "matrix": out / "matrix.json"}
    fit = {"ranking": made / "ranking.csv", "stability": made / "stability.csv", "split": split, "fold": 0, "seed": 1}
    settings = json.dumps({"name": "some", "features": FEATURES})
    fit_features.main(
        ["--settings", settings, "--classes", json.dumps(CLASSES), *listed(parts | fit | {"resume": folder / "r"})]
    )
    transform_features.main(listed(parts | {"output": made / "scaled/demo.npy"}))
    model = {"architecture": "hybridcn_nas", "size": "small", "features": "some", "options": {"features": 20}}
    files = {"weights": folder / "w.safetensors", "description": folder / "model.json", "history": folder / "h.csv"}
    files |= {"predictions": folder / "p.parquet", "features": made / "scaled/demo.npy", "resume": folder / "s"}
    files |= {"split": split, "fold": 0, "seed": 1, "name": "some", "cohort": "demo"}
    settings = json.dumps(model | {"training": {"epochs": 3}})
    train.main(["--settings", settings, "--classes", json.dumps(CLASSES), *listed(files)])
    arguments = {"cohort": "demo", "weights": files["weights"], "description": files["description"], "split": split}
    arguments |= {
        "view": folder / "view.json",
        "selection": made,
        "fold": 0,
        "seed": 1,
        "output": folder / "changed.parquet",
    }
    return [*listed(arguments), "--features", entry]


def listed(named: dict) -> list[str]:
    return [text for name, value in named.items() for text in (f"--{name}", str(value))]


def test_a_classifier_of_features_reads_changed_pictures(trained: Path, tmp_path: Path) -> None:
    arguments = classified(trained, tmp_path)
    settings = NONE.model_copy(update={"brightness": (-0.5,), "rotation": (20.0,)})
    predict_changed.main(["--settings", settings.model_dump_json(), *arguments])
    table = pd.read_parquet(tmp_path / "changed.parquet")
    expected = pd.read_parquet(tmp_path / "p.parquet").query("role == 'test'").set_index("image_id")
    none = table[table["perturbation"] == "none"]
    logits = np.stack(none["logits"])
    assert np.allclose(logits, np.stack(expected.loc[none["image_id"], "logits"]), atol=1e-4)
    assert np.abs(np.stack(table[table["perturbation"] == "brightness"]["logits"]) - logits).max() > 0.01
    other = json.dumps(FEATURES | {"seed": 7, "backbones": [{"name": "mobilenetv3_small_050"}] * 2})
    with pytest.raises(LeukoFlowError, match="made from other networks"):
        predict_changed.main(["--settings", settings.model_dump_json(), *arguments[:-1], other])
