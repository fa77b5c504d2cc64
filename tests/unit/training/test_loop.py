"""The loop: learning, reproducibility, and that an interrupted run ends in the same bits."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from stripes import striped

from leukoflow.config.models import Model
from leukoflow.config.training import Schedule, Stage, Training
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json, write_table
from leukoflow.images.shards import open_view, write_shard
from leukoflow.models import registry
from leukoflow.steps import gather_view
from leukoflow.training import checkpoint, loop, recipe
from leukoflow.training.batches import Examples

RECIPE = Training(
    epochs=4,
    batch_size=8,
    patience=4,
    schedule={"kind": "exponential", "decade": 5},
    augmentation={"rotation": 20, "flip_horizontal": True, "brightness": 0.1},
)


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A view of 64 images in two shards whose class is the direction of their stripes, and its split."""
    folder = tmp_path_factory.mktemp("toy")
    pictures, y = striped(64, 32)
    ids = [f"image{index:02d}" for index in range(64)]
    for shard in range(2):
        rows = slice(32 * shard, 32 * shard + 32)
        digest = write_shard(folder / f"view/{shard:03d}.npy", pictures[rows], 32, 32)
        index = pd.DataFrame({"image_id": ids[rows], "shard_digest": digest})
        write_table(folder / f"view/{shard:03d}.parquet", index)
    indices = [str(folder / f"view/{shard:03d}.parquet") for shard in range(2)]
    gather_view.main(["--indices", *indices, "--output", str(folder / "view/view.json")])
    role = np.array(["train"] * 48 + ["validation"] * 8 + ["test"] * 8)
    split = {"image_id": ids, "y": y, "label": y.astype(str), "group": ids, "fold": 0, "role": role}
    write_table(folder / "split.parquet", pd.DataFrame(split).sample(frac=1, random_state=1))
    return folder


def examples(view: Path) -> tuple[Examples, Examples]:
    shards = open_view(view / "view/view.json")
    y = np.arange(64) % 2
    return Examples(shards, np.arange(48), y[:48]), Examples(shards, np.arange(48, 56), y[48:56])


def run(view: Path, file: Path, training: Training = RECIPE, seed: int = 1) -> recipe.Fitted:
    torch.manual_seed(0)
    model = registry.build("resnet50_hmscam", 2, "small")
    return loop.fit(model, ("trunk.",), *examples(view), 2, training, seed, file, accelerator="cpu")


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def undisturbed(view: Path, tmp_path_factory: pytest.TempPathFactory) -> recipe.Fitted:
    return run(view, tmp_path_factory.mktemp("state") / "state.safetensors")


def test_it_learns(view: Path, tmp_path: Path) -> None:
    training = Training.model_validate(RECIPE.model_dump() | {"epochs": 12, "patience": 12, "learning_rate": 0.003})
    training = training.model_copy(update={"schedule": Schedule()})
    torch.manual_seed(0)
    model = registry.build("neurallnet", 2, "small")
    fitted = loop.fit(model, (), *examples(view), 2, training, 1, tmp_path / "x.safetensors", accelerator="cpu")
    assert fitted.history[-1].train_loss < 0.3 < 0.6 < fitted.history[0].train_loss
    assert [epoch.validation_accuracy for epoch in fitted.history[-3:]] == [1, 1, 1]


def test_the_history_tells_epochs_and_rates(undisturbed: recipe.Fitted) -> None:
    assert [epoch.epoch for epoch in undisturbed.history] == [0, 1, 2, 3]
    rates = [epoch.learning_rate for epoch in undisturbed.history]
    assert rates == pytest.approx([1e-3 * 10 ** (-epoch / 5) for epoch in range(4)])


def test_loader_workers_do_not_change_the_weights(view: Path, undisturbed: recipe.Fitted, tmp_path: Path) -> None:
    result = run(view, tmp_path / "state.safetensors", RECIPE.model_copy(update={"workers": 2}))
    assert same(result.weights, undisturbed.weights)


def test_another_seed_gives_other_weights(view: Path, undisturbed: recipe.Fitted, tmp_path: Path) -> None:
    result = run(view, tmp_path / "state.safetensors", RECIPE.model_copy(update={"epochs": 1}), seed=2)
    assert not same(result.weights, undisturbed.weights)


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_going_on_after_each_epoch_ends_in_the_same_bits(
    view: Path, tmp_path: Path, optimiser: str, killed: Callable[[Callable[[], object]], None]
) -> None:
    training = RECIPE.model_copy(update={"optimiser": optimiser, "epochs": 3})
    whole = run(view, tmp_path / "whole.safetensors", training)
    for _ in range(3):
        killed(lambda: run(view, tmp_path / "broken.safetensors", training))
    result = run(view, tmp_path / "broken.safetensors", training)
    assert same(result.weights, whole.weights)
    assert [epoch.train_loss for epoch in result.history] == [epoch.train_loss for epoch in whole.history]


def test_an_average_of_the_weights_is_saved_and_survives_a_stop(
    view: Path, tmp_path: Path, killed: Callable[[Callable[[], object]], None]
) -> None:
    training = RECIPE.model_copy(update={"average": 0.7, "epochs": 2, "clip": 1.0, "accumulate": 2})
    whole = run(view, tmp_path / "whole.safetensors", training)
    plain = run(view, tmp_path / "plain.safetensors", training.model_copy(update={"average": 0.0}))
    assert not same(whole.weights, plain.weights)
    assert [epoch.train_loss for epoch in whole.history] == [epoch.train_loss for epoch in plain.history]
    killed(lambda: run(view, tmp_path / "broken.safetensors", training))
    assert same(run(view, tmp_path / "broken.safetensors", training).weights, whole.weights)


def test_the_average_is_the_recursion_of_the_weights(view: Path, tmp_path: Path) -> None:
    seen = []
    follow = loop._follow

    def watch(training_run) -> None:
        before = {name: value.clone() for name, value in training_run.average.named_parameters()}
        follow(training_run)
        now = dict(training_run.model.module.named_parameters())
        seen.append(all(
            torch.allclose(value, 0.7 * before[name] + 0.3 * now[name], atol=1e-6)
            for name, value in training_run.average.named_parameters()
        ))  # fmt: skip

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "_follow", watch)
        run(view, tmp_path / "x.safetensors", RECIPE.model_copy(update={"average": 0.7, "epochs": 1}))
    assert len(seen) == 6 and all(seen)


def test_two_batches_together_are_one_of_twice_the_size(view: Path, tmp_path: Path) -> None:
    """Without batch norm, and with batches of equal size, only rounding differs."""
    fitted = []
    for size, together in ((8, 2), (16, 1)):
        training = Training(epochs=1, optimiser="sgd", batch_size=size, accumulate=together, statistics_batches=0)
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 2))
        fitted.append(loop.fit(model, (), *examples(view), 2, training, 1, tmp_path / str(size), accelerator="cpu"))
    for name, value in fitted[0].weights.items():
        torch.testing.assert_close(value, fitted[1].weights[name], rtol=1e-4, atol=1e-6)


def test_frozen_layers_stay_and_are_let_go_later(view: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    before = registry.build("resnet50_hmscam", 2, "small").state_dict()
    frozen = ("trunk.conv1.", "trunk.bn1.", "trunk.layer1.")

    def changed(frozen_epochs: int, average: float = 0.0) -> set[str]:
        changes = {"epochs": 2, "frozen_epochs": frozen_epochs, "patience": 9, "average": average}
        training = RECIPE.model_copy(update=changes)
        model = registry.build("resnet50_hmscam", 2, "small")
        model.load_state_dict(before)
        state = tmp_path / f"{frozen_epochs}-{average}.safetensors"
        fitted = loop.fit(
            model, ("trunk.",), *examples(view), 2, training, 1, state, {"last": frozen}, accelerator="cpu"
        )
        weights = fitted.weights if average else model.state_dict()
        trunk = {name: value for name, value in weights.items() if name.startswith("trunk.")}
        return {name for name, value in trunk.items() if not torch.equal(value, before[name])}

    every = {name for name in before if name.startswith("trunk.")}
    assert changed(2) == {name for name in every if not name.startswith(frozen)}
    assert changed(1) == every
    # What the average saves has them as they were loaded, statistics too.
    assert changed(2, average=0.7) == {name for name in every if not name.startswith(frozen)}


STAGES = (Stage(epoch=0, train="head"), Stage(epoch=1, train="last"), Stage(epoch=2, train="all"))


def test_layers_are_let_go_in_stages(view: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    before = registry.build("resnet50_hmscam", 2, "small").state_dict()
    layers = {"head": ("trunk.",), "last": ("trunk.conv1.", "trunk.bn1.", "trunk.layer1.")}
    every = set(before)

    def changed(epochs: int, resumed: bool = False) -> set[str]:
        state = tmp_path / f"{epochs}-{resumed}.safetensors"
        for wanted in range(1, epochs + 1) if resumed else (epochs,):
            training = RECIPE.model_copy(update={"epochs": wanted, "patience": 9, "stages": STAGES})
            model = registry.build("resnet50_hmscam", 2, "small")
            model.load_state_dict(before)
            loop.fit(model, ("trunk.",), *examples(view), 2, training, 1, state, layers, accelerator="cpu")
        return {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}

    for resumed in (False, True):
        assert changed(1, resumed) == {name for name in every if not name.startswith(layers["head"])}
        assert changed(2, resumed) == {name for name in every if not name.startswith(layers["last"])}
    assert changed(3) == every


def test_the_trunks_rate_is_times_the_stages_factor(view: Path, tmp_path: Path) -> None:
    """One step of plain gradient descent is as long as the rate."""
    train, validation = examples(view)
    moved = {}
    for factor in (1.0, 0.25):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 4), torch.nn.Linear(4, 2))
        before = {name: value.clone() for name, value in model.state_dict().items()}
        training = Training(
            epochs=1, optimiser="sgd", learning_rate=1e-3, batch_size=len(train),
            stages=(Stage(epoch=0, train="all", trunk_rate=factor),),
        )  # fmt: skip
        loop.fit(model, ("1.",), train, validation, 2, training, 1, tmp_path / str(factor), accelerator="cpu")
        moved[factor] = {name: value - before[name] for name, value in model.state_dict().items()}
    for name, whole in moved[1.0].items():
        part = 0.25 if name.startswith("1.") else 1.0
        torch.testing.assert_close(moved[0.25][name], part * whole, rtol=1e-3, atol=1e-7)


def test_a_damaged_checkpoint_is_named(view: Path, tmp_path: Path) -> None:
    file = tmp_path / "state.safetensors"
    run(view, file, RECIPE.model_copy(update={"epochs": 1}))
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(LeukoFlowError, match="state.safetensors: damaged checkpoint"):
        run(view, file)


def at_the_ceiling(patch: pytest.MonkeyPatch, losses: list[float]) -> None:
    """Every validation has accuracy 1; the losses follow each other."""
    left = iter(losses)
    patch.setattr(loop, "_validate", lambda *_: (next(left), 1.0))


def test_at_the_ceiling_the_weights_of_the_lowest_loss_are_kept(
    view: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = RECIPE.model_copy(update={"epochs": 4, "patience": 2, "statistics_batches": 0})
    at_the_ceiling(monkeypatch, [0.073, 0.03, 0.0075, 0.02])
    fitted = run(view, tmp_path / "a.safetensors", training)
    assert len(fitted.history) == 4 and fitted.best_epoch == 2
    assert "reached in 4 epochs; of these the lowest validation loss (0.0075)" in fitted.chosen_by
    # The same training, ended after its third epoch, ends in the weights that were kept.
    at_the_ceiling(monkeypatch, [0.073, 0.03, 0.0075])
    third = run(view, tmp_path / "b.safetensors", training.model_copy(update={"epochs": 3}))
    assert same(fitted.weights, third.weights)
    # Going on after the third epoch keeps them too.
    at_the_ceiling(monkeypatch, [0.02])
    assert same(run(view, tmp_path / "b.safetensors", training).weights, third.weights)


def test_a_checkpoint_that_kept_another_epoch_is_named(
    view: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As older versions wrote it: of equal accuracies the weights of the first."""
    save = checkpoint.save

    def as_before(path, model, optimiser, state, average=None) -> None:
        save(path, model, optimiser, checkpoint.State(state.history, state.best, 0), average)

    at_the_ceiling(monkeypatch, [0.3, 0.2, 0.1])
    monkeypatch.setattr(checkpoint, "save", as_before)
    file = tmp_path / "state.safetensors"
    run(view, file, RECIPE.model_copy(update={"epochs": 2}))
    with pytest.raises(LeukoFlowError, match=r"state.safetensors: this checkpoint keeps .* delete it to train"):
        run(view, file)


def test_training_without_a_finite_validation_loss_says_so(
    view: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_the_ceiling(monkeypatch, [float("nan")] * 2)
    with pytest.raises(LeukoFlowError, match="diverged: no epoch has a finite validation loss.*learning_rate"):
        run(view, tmp_path / "state.safetensors", RECIPE.model_copy(update={"epochs": 2}))


def test_diverging_training_says_so(view: Path, tmp_path: Path) -> None:
    with pytest.raises(LeukoFlowError, match="diverged.*learning_rate"):
        run(view, tmp_path / "state.safetensors", Training(optimiser="sgd", learning_rate=1e30, epochs=3))


def test_weighted_loss_and_mixed_precision_run(view: Path, tmp_path: Path) -> None:
    training = Training(epochs=2, batch_size=8, weighted_loss=True, precision="bf16-mixed", monitor="loss")
    result = run(view, tmp_path / "state.safetensors", training)
    assert all(value.dtype != torch.bfloat16 for value in result.weights.values())
    assert np.isfinite(result.history[-1].validation_loss)


def command(view: Path, out: Path, epochs: int = 4) -> list[str]:
    training = RECIPE.model_copy(update={"epochs": epochs, "patience": 9})
    model = Model(architecture="neurallnet", size="small", training=training)
    return [
        sys.executable, "-m", "leukoflow.steps.train", "--settings", model.model_dump_json(), "--name", "neurallnet",
        "--classes", '["across", "along"]', "--view", str(view / "view/view.json"),
        "--split", str(view / "split.parquet"), "--fold", "0", "--seed", "3", "--resume", str(out / "resume"),
        "--threads", "2", "--weights", str(out / "weights.safetensors"), "--description", str(out / "model.json"),
        "--history", str(out / "history.csv"), "--predictions", str(out / "predictions.parquet"), "--cohort", "demo",
    ]  # fmt: skip


def test_killed_at_any_point_it_ends_in_the_same_bits(view: Path, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    subprocess.run(command(view, whole), check=True, capture_output=True)
    draw = np.random.default_rng(7)
    kills = 0
    while kills < 2:
        process = subprocess.Popen(command(view, broken), stderr=subprocess.DEVNULL)
        epochs_before = _epochs(broken)
        while process.poll() is None and _epochs(broken) < epochs_before + 1:
            time.sleep(0.02)
        time.sleep(draw.uniform(0, 0.3))
        if process.poll() is not None:
            break
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        kills += 1
        assert not (broken / "weights.safetensors").exists()
    assert kills == 2
    subprocess.run(command(view, broken), check=True, capture_output=True)
    assert (whole / "weights.safetensors").read_bytes() == (broken / "weights.safetensors").read_bytes()
    assert same(load_file(whole / "weights.safetensors"), load_file(broken / "weights.safetensors"))
    assert not (broken / "resume").exists()
    description = read_json(broken / "model.json")
    assert description["parameters"] == 35_552
    assert description["epochs"] == 4 and description["train_images"] == 48
    history = pd.read_csv(broken / "history.csv")
    assert len(history) == 4
    # Of the highest accuracies the lowest loss, told in the table and in words.
    best = history[history["validation_accuracy"] == history["validation_accuracy"].max()]
    kept = best["validation_loss"].idxmin()
    assert history.index[history["kept"]].tolist() == [description["best_epoch"]] == [kept]
    assert description["best_epoch_by"].startswith("highest validation accuracy (")


def _epochs(folder: Path) -> int:
    """Epochs in the checkpoint; a half-written one is an error."""
    for file in folder.glob("resume/*/state.safetensors"):
        with safe_open(file, framework="pt") as stream:
            return len(json.loads(stream.metadata()["history"]))
    return 0


def test_a_checkpoint_of_other_settings_is_not_used(view: Path, tmp_path: Path) -> None:
    subprocess.run(command(view, tmp_path, epochs=1), check=True, capture_output=True)
    first = (tmp_path / "weights.safetensors").read_bytes()
    other = command(view, tmp_path, epochs=1)
    other[other.index("--seed") + 1] = "4"
    subprocess.run(other, check=True, capture_output=True)
    assert (tmp_path / "weights.safetensors").read_bytes() != first
