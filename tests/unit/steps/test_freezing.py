"""What step `train` freezes: layers that were loaded and that the paper names, no others; and what it says of it."""

import json
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json, write_table
from leukoflow.core.seeding import stream_seed
from leukoflow.images.shards import write_shard
from leukoflow.models import registry
from leukoflow.models.inference import load_model, save_tensors
from leukoflow.steps import gather_view, train

SMALL = {"width": 0.0625, "key_share": 0.0625, "blocks": 1, "heads": 2}
PAIR = SMALL | {"partner": "efficientnetb3"}
"""Two backbones of equal width in the small form are the same one twice."""


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("view")
    pictures = np.random.default_rng(0).integers(0, 256, (24, 33, 33, 3), dtype=np.uint8)
    ids = [f"image{index:02d}" for index in range(24)]
    digest = write_shard(folder / "view/000.npy", pictures, 24, 33)
    write_table(folder / "view/000.parquet", pd.DataFrame({"image_id": ids, "shard_digest": digest}))
    gather_view.main(["--indices", str(folder / "view/000.parquet"), "--output", str(folder / "view/view.json")])
    y = np.arange(24) % 2
    role = ["train"] * 16 + ["validation"] * 4 + ["test"] * 4
    split = {"image_id": ids, "y": y, "label": y.astype(str), "group": ids, "fold": 0, "role": role}
    write_table(folder / "split.parquet", pd.DataFrame(split))
    return folder


def entry_of(options: dict, **more) -> dict:
    training = {"epochs": 1, "batch_size": 8, "frozen_epochs": 1, **more.pop("training", {})}
    return {"architecture": "efficientnetb3_vit", "size": "small", "options": options, "training": training, **more}


def trained(view: Path, out: Path, entry: dict, start: Path | None = None, partner: Path | None = None) -> dict:
    outputs = {"weights": "weights.safetensors", "description": "model.json", "history": "history.csv"}
    outputs |= {"predictions": "predictions.parquet"}
    named = [part for key, name in outputs.items() for part in (f"--{key}", str(out / name))]
    train.main(
        [
            *(
                "--settings",
                json.dumps(entry),
                "--name",
                "some",
                "--cohort",
                "demo",
                "--classes",
                '["across", "along"]',
            ),
            *("--view", str(view / "view/view.json"), "--split", str(view / "split.parquet"), "--fold", "0"),
            *("--start", *([str(start)] if start else []), "--partner", *([str(partner)] if partner else [])),
            *("--seed", "3", "--resume", str(out / "resume"), *named),
        ]
    )
    return read_json(out / "model.json")


def begun(entry: dict):
    torch.manual_seed(stream_seed(3, "weights"))
    return registry.build(entry["architecture"], 2, "small", **entry["options"])


def weights_file(entry: dict, file: Path) -> Path:
    """A trunk's tensors under timm's names."""
    torch.manual_seed(8)
    model = registry.build(entry["architecture"], 2, "small", **SMALL)
    save_tensors(file, model.trunk.state_dict())
    return file


def unchanged(out: Path, entry: dict, loaded: dict[str, Path]) -> set[str]:
    """Parameters that are as they were when training began."""
    model = begun(entry)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    for prefix, file in loaded.items():
        before |= {f"{prefix}{key}": tensor for key, tensor in load_file(file).items() if f"{prefix}{key}" in before}
    after = load_file(out / "weights.safetensors")
    return {name for name, value in before.items() if torch.equal(value, after[name])}


def listed(entry: dict, *parts: str) -> dict[str, int]:
    """Parameters that the paper freezes in these parts, with their sizes."""
    prefixes = tuple(prefix for prefix in registry.spec(entry["architecture"]).frozen if prefix.startswith(parts))
    return {name: parameter.numel() for name, parameter in begun(entry).named_parameters() if name.startswith(prefixes)}


@pytest.mark.parametrize("options", [SMALL, PAIR])
def test_random_weights_are_trained_all(
    view: Path, tmp_path: Path, options: dict, caplog: pytest.LogCaptureFixture
) -> None:
    entry = entry_of(options)
    with caplog.at_level(logging.WARNING):
        facts = trained(view, tmp_path, entry)
    assert unchanged(tmp_path, entry, {}) == set()
    count = len(listed(entry, "trunk.", "partner."))
    note = f"{count} tensors that the paper freezes started from random weights and are trained"
    assert facts["frozen"] == {"epochs": 1, "tensors": 0, "parameters": 0, "note": note}
    assert f"models.some.training.frozen_epochs: {note}" in caplog.text
    assert facts["trainable"] == facts["parameters"] and facts["weights"] == "random"


def test_loaded_layers_that_the_paper_lists_stay_and_no_others(view: Path, tmp_path: Path) -> None:
    file = weights_file(entry_of(SMALL), tmp_path / "trunk.safetensors")
    entry = entry_of(SMALL, weights=str(file), input_scaling="imagenet")
    facts = trained(view, tmp_path, entry, file)
    still = listed(entry, "trunk.")
    assert still and unchanged(tmp_path, entry, {"trunk.": file}) == set(still)
    frozen = {"epochs": 1, "tensors": len(still), "parameters": sum(still.values()), "note": ""}
    assert facts["frozen"] == frozen
    assert facts["trainable"] == facts["parameters"] - sum(still.values())
    # Let go before the epoch that is kept, they are trained like the rest.
    entry["training"] |= {"epochs": 3, "patience": 3, "monitor": "loss", "learning_rate": 1e-4}
    facts = trained(view, tmp_path, entry, file)
    left = sum(still.values()) if facts["best_epoch"] == 0 else 0
    assert facts["trainable"] == facts["parameters"] - left
    assert unchanged(tmp_path, entry, {"trunk.": file}) == (set(still) if left else set())


def test_a_random_partner_of_a_loaded_trunk_is_trained_whole(view: Path, tmp_path: Path) -> None:
    file = weights_file(entry_of(SMALL), tmp_path / "trunk.safetensors")
    entry = entry_of(PAIR, weights=str(file), input_scaling="imagenet")
    facts = trained(view, tmp_path, entry, file)
    still, random = listed(entry, "trunk."), listed(entry, "partner.")
    assert random and unchanged(tmp_path, entry, {"trunk.": file}) == set(still)
    assert facts["frozen"]["tensors"] == len(still)
    assert facts["frozen"]["note"].startswith(f"{len(random)} tensors that the paper freezes started from random")
    assert facts["weights"].startswith("trunk.safetensors (sha256 ") and facts["weights"].endswith("; partner: random")


def test_a_partner_may_have_weights_of_its_own(view: Path, tmp_path: Path) -> None:
    file = weights_file(entry_of(SMALL), tmp_path / "trunk.safetensors")
    other = weights_file(entry_of(SMALL), tmp_path / "partner.safetensors")
    named = {"weights": str(other), "input_scaling": "symmetric"}
    entry = entry_of(PAIR, weights=str(file), input_scaling="imagenet", partner=named)
    facts = trained(view, tmp_path, entry, file, other)
    loaded = {"trunk.": file, "partner.": other}
    assert unchanged(tmp_path, entry, loaded) == set(listed(entry, "trunk.", "partner."))
    assert "; partner: partner.safetensors (sha256 " in facts["weights"] and facts["frozen"]["note"] == ""
    assert facts["input"]["partner"]["mean"] == [0.5] * 3 and facts["input"]["trunk"]["mean"][0] == 0.485
    model = load_model(facts, tmp_path / "weights.safetensors")
    assert model.standardise_partner.mean.flatten().tolist() == [0.5] * 3
    for paths in ((file, None), (None, other)):
        with pytest.raises(LeukoFlowError, match="weights: give a file of weights where this key is set"):
            trained(view, tmp_path, entry, *paths)


def test_an_architecture_that_freezes_nothing_says_so(
    view: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    entry = {"architecture": "neurallnet", "size": "small", "training": {"epochs": 1, "frozen_epochs": 1}}
    facts = trained(view, tmp_path, entry)
    assert facts["frozen"] == {
        "epochs": 1, "tensors": 0, "parameters": 0, "note": "neurallnet names no layers to freeze",
    }  # fmt: skip
    assert "neurallnet names no layers to freeze" in caplog.text
    assert facts["trainable"] == facts["parameters"] and facts["input"] == {}
    entry["training"]["frozen_epochs"] = 0
    assert trained(view, tmp_path, entry)["frozen"] is None


def test_stages_say_what_each_leaves(view: Path, tmp_path: Path) -> None:
    file = weights_file(entry_of(SMALL), tmp_path / "trunk.safetensors")
    stages = [{"epoch": 0, "train": "head", "trunk_rate": 0.5}, {"epoch": 1, "train": "last"}]
    training = {"epochs": 2, "frozen_epochs": 0, "stages": stages, "patience": 3}
    entry = entry_of(SMALL, weights=str(file), input_scaling="imagenet", training=training)
    facts = trained(view, tmp_path, entry, file)
    trunk = [parameter.numel() for name, parameter in begun(entry).named_parameters() if name.startswith("trunk.")]
    listed_ones = listed(entry, "trunk.")
    assert facts["frozen"] == {
        "stages": [
            {"epoch": 0, "train": "head", "trunk_rate": 0.5, "tensors": len(trunk), "parameters": sum(trunk)},
            {
                "epoch": 1, "train": "last", "trunk_rate": 1.0, "tensors": len(listed_ones),
                "parameters": sum(listed_ones.values()),
            },
        ],
        "note": "",
    }  # fmt: skip
    never = {0: sum(trunk), 1: sum(listed_ones.values())}[facts["best_epoch"]]
    assert facts["trainable"] == facts["parameters"] - never


def test_stages_of_random_weights_train_all_and_say_so(
    view: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    training = {"frozen_epochs": 0, "stages": [{"epoch": 0, "train": "head"}]}
    entry = entry_of(SMALL, training=training)
    facts = trained(view, tmp_path, entry)
    count = sum(name.startswith("trunk.") for name, _ in begun(entry).named_parameters())
    note = f"{count} tensors of the trunk started from random weights and are trained"
    assert facts["frozen"]["note"] == note and f"models.some.training.stages: {note}" in caplog.text
    assert facts["trainable"] == facts["parameters"] and unchanged(tmp_path, entry, {}) == set()


def test_a_stage_that_an_architecture_does_not_have_is_named(view: Path, tmp_path: Path) -> None:
    training = {"epochs": 1, "stages": [{"epoch": 0, "train": "last"}]}
    entry = {"architecture": "neurallnet", "size": "small", "training": training}
    with pytest.raises(LeukoFlowError, match="models.some.training.stages: neurallnet names no layers that stage 'las"):
        trained(view, tmp_path, entry)
