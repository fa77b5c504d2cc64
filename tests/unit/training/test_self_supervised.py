"""Self-supervised pretraining: its loss, what it may see, that it survives a stop, and that it learns something."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from leukoflow.cohorts.synthetic import draw, plan, rows
from leukoflow.config.cohorts import SyntheticCohort
from leukoflow.config.self_supervised import SelfSupervised
from leukoflow.config.training import Augmentation, Training
from leukoflow.core.errors import LeukoFlowError
from leukoflow.models import registry
from leukoflow.training import self_supervised
from leukoflow.training.batches import Examples

SHORT = SelfSupervised(epochs=2, batch_size=8, projection=32)
TRUNK = ("trunk.",)
SHALLOW = "customcnn_vit"
"""Learns in seconds."""


class Pictures:
    """Images in memory, as shards offer them."""

    def __init__(self, images: np.ndarray) -> None:
        self.images = images

    def gather(self, rows: np.ndarray) -> np.ndarray:
        return self.images[rows]


@pytest.fixture(scope="module")
def smears() -> tuple[np.ndarray, np.ndarray]:
    """Synthetic smears uint8 [320, 48, 48, 3] and their classes."""
    cohort = SyntheticCohort(kind="synthetic", images=320, size=48, patients=40)
    table = plan(cohort)
    images = np.stack([draw(cohort, row).image for row in rows(table)])
    return images, np.unique(table["label"], return_inverse=True)[1]


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)


def network(name: str = "resnet50_hmscam") -> nn.Module:
    torch.manual_seed(0)
    return registry.build(name, 4, "small")


def taught(
    images: np.ndarray, file: Path, settings: SelfSupervised = SHORT, y: np.ndarray | None = None, count: int = 16,
    seed: int = 1, name: str = "resnet50_hmscam",
) -> tuple[dict[str, torch.Tensor], tuple[self_supervised.Epoch, ...]]:  # fmt: skip
    """Pretrain on the first `count` images."""
    y = np.arange(count) % 4 if y is None else y
    examples = Examples(Pictures(images), np.arange(count), y)
    return self_supervised.pretrain(network(name), TRUNK, examples, settings, Training(), seed, file, accelerator="cpu")


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_the_loss_is_the_symmetric_cosine_with_the_gradient_stopped() -> None:
    torch.manual_seed(0)
    model = self_supervised.SimSiam(network(), TRUNK, 256, 32)
    seen: list[torch.Tensor] = []
    model.projector.register_forward_hook(lambda *args: seen.append(args[2]))
    loss, spread = model(torch.rand(6, 3, 32, 32), torch.rand(6, 3, 32, 32))
    z = [projection.detach().double().numpy() for projection in seen]
    with torch.no_grad():
        p = [model.predictor(projection).double().numpy() for projection in seen]

    def cosine(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.mean((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)))

    assert loss.item() == pytest.approx(-(cosine(p[0], z[1]) + cosine(p[1], z[0])) / 2, abs=1e-5)
    unit = z[0] / np.linalg.norm(z[0], axis=1, keepdims=True)
    assert spread.item() == pytest.approx(unit.std(0, ddof=1).mean() * 32**0.5, rel=1e-4)
    # Without a predictor the stopped loss has half the gradient of the cosine itself; not stopped, it has all of it.
    model.predictor = nn.Sequential()
    z1, z2 = (torch.randn(6, 32, requires_grad=True) for _ in range(2))
    projected = iter((z1, z2))
    model.projector = nn.Sequential()
    model.projector.forward = lambda _: next(projected)  # type: ignore[method-assign]
    stopped = torch.autograd.grad(model(torch.rand(6, 3, 32, 32), torch.rand(6, 3, 32, 32))[0], (z1, z2))
    whole = torch.autograd.grad(-nn.functional.cosine_similarity(z1, z2).mean(), (z1, z2))
    for half, full in zip(stopped, whole, strict=True):
        torch.testing.assert_close(half, full / 2)


def test_the_trunk_alone_learns_and_comes_back(noise: np.ndarray, tmp_path: Path) -> None:
    before = network().state_dict()
    tensors, history = taught(noise, tmp_path / "state.safetensors")
    assert set(tensors) == {name for name in before if name.startswith("trunk.")}
    assert all(not torch.equal(tensors[name], before[name]) for name in tensors if name.endswith("weight"))
    assert [epoch.epoch for epoch in history] == [0, 1]
    assert [epoch.learning_rate for epoch in history] == pytest.approx([0.1, 0.05])
    model = self_supervised.SimSiam(network(), TRUNK, 256, 32)
    learning = {name for name, parameter in model.network.named_parameters() if parameter.requires_grad}
    assert learning and all(name.startswith("trunk.") for name in learning)


def test_labels_and_images_of_other_roles_play_no_part(noise: np.ndarray, tmp_path: Path) -> None:
    expected, _ = taught(noise, tmp_path / "a.safetensors")
    permuted, _ = taught(noise, tmp_path / "b.safetensors", y=(np.arange(16) * 7 + 1) % 4)
    assert same(expected, permuted)
    others = noise.copy()
    others[16:] = 255 - others[16:]
    assert same(expected, taught(others, tmp_path / "c.safetensors")[0])
    others[15] = 255 - others[15]
    assert not same(expected, taught(others, tmp_path / "d.safetensors")[0])
    assert not same(expected, taught(noise, tmp_path / "e.safetensors", seed=2)[0])


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_going_on_after_each_epoch_ends_in_the_same_bits(
    noise: np.ndarray, tmp_path: Path, optimiser: str, killed: Callable[[Callable[[], object]], None]
) -> None:
    settings = SHORT.model_copy(update={"epochs": 3, "optimiser": optimiser})
    whole, history = taught(noise, tmp_path / "whole.safetensors", settings)
    for _ in range(3):
        killed(lambda: taught(noise, tmp_path / "broken.safetensors", settings))
    result, again = taught(noise, tmp_path / "broken.safetensors", settings)
    assert same(result, whole)
    assert [epoch.loss for epoch in again] == [epoch.loss for epoch in history]


@pytest.mark.parametrize("name", [name for name in registry.names() if registry.spec(name).backbone])
def test_every_trunk_can_be_taught(name: str, noise: np.ndarray, tmp_path: Path) -> None:
    trunk = registry.spec(name).backbone
    model = network(name)
    examples = Examples(Pictures(noise), np.arange(4), np.zeros(4, np.int64))
    settings = SHORT.model_copy(update={"epochs": 1})
    before = {key: parameter.detach().clone() for key, parameter in model.named_parameters()}
    tensors, history = self_supervised.pretrain(
        model, trunk, examples, settings, Training(), 1, tmp_path / "state.safetensors", accelerator="cpu"
    )
    assert np.isfinite(history[0].loss)
    assert all(key.startswith(trunk) for key in tensors)
    for key, parameter in model.named_parameters():
        assert torch.equal(parameter, before[key]) != key.startswith(trunk) or not parameter.abs().sum() > 0, key


def test_a_collapse_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    flat = np.full((16, 32, 32, 3), 120, np.uint8)
    still = SHORT.model_copy(update={"augmentation": Augmentation(), "epochs": 1})
    with caplog.at_level(logging.WARNING):
        _, history = taught(flat, tmp_path / "state.safetensors", still)
    assert history[0].spread < 0.01 and history[0].collapsed
    assert "the representation has collapsed" in caplog.text


def test_too_few_images_and_a_loss_that_is_no_number_are_told(noise: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(LeukoFlowError, match="needs images: 1 in the training role"):
        taught(noise, tmp_path / "a.safetensors", count=1)
    wild = SHORT.model_copy(update={"learning_rate": 1e30, "epochs": 3})
    with pytest.raises(LeukoFlowError, match="diverged in epoch .: lower its learning_rate"):
        taught(noise, tmp_path / "b.safetensors", wild)


def probed(tensors: dict[str, torch.Tensor], smears: tuple[np.ndarray, np.ndarray], taken: np.ndarray) -> float:
    """Accuracy of a linear classifier on the trunk's pooled maps, fitted on the images taken, on the others."""
    model = network(SHALLOW).eval()
    model.load_state_dict(tensors, strict=False)
    with torch.inference_mode():
        x = torch.from_numpy(smears[0]).permute(0, 3, 1, 2) / 255
        features = self_supervised.pooled(model, x).numpy()
    features = (features - features[taken].mean(0)) / (features[taken].std(0) + 1e-6)
    probe = LogisticRegression(C=0.01, max_iter=1000).fit(features[taken], smears[1][taken])
    return float(probe.score(features[~taken], smears[1][~taken]))


def learnt(smears: tuple[np.ndarray, np.ndarray], file: Path, epochs: int, count: int):
    """Pretrained on some of every second image; those are what a classifier may learn from."""
    taken = np.arange(320) % 2 == 0
    images = np.random.default_rng(0).permutation(smears[0][taken])
    settings = SelfSupervised(epochs=epochs, batch_size=16, projection=64)
    tensors, history = taught(images, file, settings, count=count, name=SHALLOW)
    return tensors, history, taken


def test_it_learns_without_collapse_and_features_tell_classes(smears, tmp_path: Path) -> None:
    tensors, history, taken = learnt(smears, tmp_path / "state.safetensors", 6, 80)
    assert history[-1].loss < history[0].loss - 0.1
    assert not any(epoch.collapsed for epoch in history) and history[-1].spread > 0.3
    assert probed(tensors, smears, taken) > 0.25 + 1.64 * (0.25 * 0.75 / 160) ** 0.5  # chance, one-sided 5 %


@pytest.mark.slow
def test_taught_features_are_no_worse_than_random_ones(smears, tmp_path: Path) -> None:
    tensors, _, taken = learnt(smears, tmp_path / "state.safetensors", 40, 160)
    assert probed(tensors, smears, taken) >= probed(dict(network(SHALLOW).state_dict()), smears, taken) - 0.05
