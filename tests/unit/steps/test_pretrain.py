"""Steps `pretrain` and `train` together: where a trunk's weights come from, what is said of them, what is taken up."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json, write_table
from leukoflow.images.shards import write_shard
from leukoflow.models import registry
from leukoflow.models.inference import save_tensors
from leukoflow.steps import gather_view, pretrain, train
from leukoflow.training import checkpoint

SIMSIAM = {"epochs": 2, "batch_size": 8, "projection": 32}
# Nothing is learnt by labels, so that a trunk stays what it started from; batch norms move all the same.
STILL = {"epochs": 1, "learning_rate": 1e-30}
ENTRY = {"architecture": "resnet50_hmscam", "size": "small", "training": STILL}


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return put(tmp_path_factory.mktemp("view"))


def put(folder: Path, seed: int = 0) -> Path:
    """A view of 24 images, 16 to learn from; `seed` changes those of the test role only."""
    pictures = np.random.default_rng(0).integers(0, 256, (24, 32, 32, 3), dtype=np.uint8)
    pictures[20:] = np.random.default_rng(seed).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    ids = [f"image{index:02d}" for index in range(24)]
    digest = write_shard(folder / "view/000.npy", pictures, 24, 32)
    write_table(folder / "view/000.parquet", pd.DataFrame({"image_id": ids, "shard_digest": digest}))
    gather_view.main(["--indices", str(folder / "view/000.parquet"), "--output", str(folder / "view/view.json")])
    y = np.arange(24) % 2
    role = ["train"] * 16 + ["validation"] * 4 + ["test"] * 4
    split = {"image_id": ids, "y": y, "label": y.astype(str), "group": ids, "fold": 0, "role": role}
    write_table(folder / "split.parquet", pd.DataFrame(split))
    return folder


def common(view: Path, out: Path, entry: dict, start: Path | None, seed: int = 3) -> list[str]:
    source = ["--start", str(start)] if start else ["--start"]  # as Snakemake writes it if there is no file
    return [
        *("--settings", json.dumps(entry), "--name", "some", "--view", str(view / "view/view.json"), *source),
        *("--split", str(view / "split.parquet"), "--fold", "0", "--seed", str(seed)),
        *("--resume", str(out / "resume")),
    ]


def pretrained(view: Path, out: Path, entry: dict, start: Path | None = None) -> Path:
    outputs = ["--weights", str(out / "pretrained.safetensors"), "--history", str(out / "pretraining.csv")]
    pretrain.main([*common(view, out, entry, start), *outputs])
    return out / "pretrained.safetensors"


def trained(view: Path, out: Path, entry: dict, start: Path | None = None) -> dict:
    outputs = {"weights": "weights.safetensors", "description": "model.json", "history": "history.csv"}
    outputs |= {"predictions": "predictions.parquet"}
    named = [part for key, name in outputs.items() for part in (f"--{key}", str(out / name))]
    train.main([*common(view, out, entry, start), "--cohort", "demo", "--classes", '["across", "along"]', *named])
    return read_json(out / "model.json")


def learnt(file: Path) -> dict[str, torch.Tensor]:
    """Weights of the trunk: so far from zero that a rate of 1e-30 leaves them bit for bit, other than biases."""
    return {
        name: tensor
        for name, tensor in load_file(file).items()
        if name.startswith("trunk.") and name.endswith(".weight")
    }


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_training_starts_where_pretraining_ended(view: Path, tmp_path: Path) -> None:
    entry = ENTRY | {"self_supervised": SIMSIAM}
    file = pretrained(view, tmp_path, entry)
    history = pd.read_csv(tmp_path / "pretraining.csv")
    assert history.columns.tolist() == [
        "epoch", "loss", "spread", "collapsed", "learning_rate", "images_per_second", "seconds",
    ]  # fmt: skip
    assert len(history) == 2 and history["spread"].between(0.1, 2).all() and not history["collapsed"].any()
    assert not (tmp_path / "resume").exists()
    assert trained(view, tmp_path, entry, file)["weights"] == "self-trained (SimSiam, 2 epochs)"
    assert learnt(file) and same(learnt(tmp_path / "weights.safetensors"), learnt(file))
    plain = tmp_path / "plain"
    assert trained(view, plain, ENTRY)["weights"] == "random"
    assert not same(learnt(plain / "weights.safetensors"), learnt(file))
    with pytest.raises(LeukoFlowError, match="models.some.self_supervised: --start must name"):
        trained(view, plain, entry)
    with pytest.raises(LeukoFlowError, match="models.some.self_supervised: is missing"):
        pretrained(view, plain, ENTRY)


def test_weights_come_first_and_the_file_may_be_followed_to_them(view: Path, tmp_path: Path) -> None:
    torch.manual_seed(9)
    first = tmp_path / "first.safetensors"
    save_tensors(first, registry.build("resnet50_hmscam", 5, "small").state_dict())
    digest = hashlib.sha256(first.read_bytes()).hexdigest()
    entry = ENTRY | {"weights": str(first), "sha256": digest}
    assert trained(view, tmp_path, entry, first)["weights"] == f"first.safetensors (sha256 {digest[:12]})"
    assert same(learnt(tmp_path / "weights.safetensors"), learnt(first))
    both = entry | {"self_supervised": SIMSIAM | {"learning_rate": 1e-30, "weight_decay": 0.0}}
    file = pretrained(view, tmp_path, both, first)
    assert same(learnt(file), learnt(first))
    words = f"first.safetensors (sha256 {digest[:12]}), self-trained (SimSiam, 2 epochs)"
    assert trained(view, tmp_path, both, file)["weights"] == words
    with pytest.raises(LeukoFlowError, match="models.some.weights: give a file"):
        pretrained(view, tmp_path, both)
    bare = tmp_path / "bare.safetensors"
    save_tensors(bare, load_file(file))
    with pytest.raises(LeukoFlowError, match="bare.safetensors: does not say where its weights are from"):
        trained(view, tmp_path, both, bare)


def test_images_of_the_test_role_are_not_seen(view: Path, tmp_path: Path) -> None:
    entry = ENTRY | {"self_supervised": SIMSIAM}
    other = put(tmp_path / "other", seed=5)
    assert (other / "view/000.npy").read_bytes() != (view / "view/000.npy").read_bytes()
    assert pretrained(other, tmp_path / "a", entry).read_bytes() == pretrained(view, tmp_path / "b", entry).read_bytes()


def test_a_killed_job_goes_on_and_other_weights_start_anew(
    view: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = ENTRY | {"self_supervised": SIMSIAM}
    whole = pretrained(view, tmp_path / "whole", entry).read_bytes()
    epochs: list[int] = []
    saved = checkpoint.save

    def save_then_die(*arguments) -> None:
        saved(*arguments)
        epochs.append(len(arguments[3].history))
        if len(epochs) in (1, 3):
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", save_then_die)
    with pytest.raises(KeyboardInterrupt):
        pretrained(view, tmp_path, entry)
    assert not (tmp_path / "pretrained.safetensors").exists()
    assert pretrained(view, tmp_path, entry).read_bytes() == whole and epochs == [1, 2]
    with pytest.raises(KeyboardInterrupt):
        pretrained(view, tmp_path, entry)
    other = tmp_path / "other.safetensors"
    save_tensors(other, registry.build("resnet50_hmscam", 5, "small").state_dict())
    pretrained(view, tmp_path, entry | {"weights": str(other)}, other)
    assert epochs == [1, 2, 1, 1, 2]
