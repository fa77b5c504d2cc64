"""What only a CUDA device can show: training, resume, mixed precision, compilation, prediction, equality with what is
exported, several devices, and images a second of every architecture at its published size.

`make test-gpu` runs it. Without a CUDA device every test skips itself and says so. LEUKOFLOW_REHEARSE=1 runs the tests
on the processor instead, to see that the tests themselves work; speeds are then measured for one small network alone.
"""

import copy
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from stripes import striped

from leukoflow.config.models import Model
from leukoflow.config.profile import Profile
from leukoflow.config.training import Training
from leukoflow.core.files import read_json, write_table
from leukoflow.cost import speed
from leukoflow.export.network import Exported
from leukoflow.export.onnx import write_onnx
from leukoflow.images.shards import open_view, write_shard
from leukoflow.models import inference, registry
from leukoflow.steps import gather_view
from leukoflow.training import checkpoint, devices, loop, recipe
from leukoflow.training.batches import Examples

REHEARSED = bool(os.environ.get("LEUKOFLOW_REHEARSE"))
DEVICE = torch.device("cpu") if REHEARSED else torch.device("cuda", 0)
NETWORKS = [
    name
    for name in registry.names()
    if registry.spec(name).fitting == "gradient" and registry.spec(name).reads == "images"
]
RECIPE = Training(epochs=6, batch_size=8, patience=6, learning_rate=0.001)
pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def exact() -> None:
    """A CUDA device that multiplies in 32 bits, so that it can be compared with the processor."""
    if not REHEARSED and not torch.cuda.is_available():
        pytest.skip("there is no CUDA device here: what needs one was not tested")
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A view of 96 images of 64 pixels whose class is the direction of their stripes, and its split."""
    folder = tmp_path_factory.mktemp("stripes")
    pictures, y = striped(96, 64)
    names = [f"image{index:02d}" for index in range(96)]
    digest = write_shard(folder / "000.npy", pictures, 96, 64)
    write_table(folder / "000.parquet", pd.DataFrame({"image_id": names, "shard_digest": digest}))
    gather_view.main(["--indices", str(folder / "000.parquet"), "--output", str(folder / "view.json")])
    role = ["train"] * 64 + ["validation"] * 16 + ["test"] * 16
    split = {"image_id": names, "y": y, "label": y.astype(str), "group": names, "fold": 0, "role": role}
    write_table(folder / "split.parquet", pd.DataFrame(split))
    return folder


def fit(view: Path, state: Path, training: Training) -> recipe.Fitted:
    shards, y = open_view(view / "view.json"), np.arange(96) % 2
    train, validation = (Examples(shards, rows, y[rows]) for rows in (np.arange(64), np.arange(64, 80)))
    torch.manual_seed(0)
    model = registry.build("resnet50_hmscam", 2, "small")
    accelerator = "cpu" if REHEARSED else "auto"
    return loop.fit(model, ("trunk.",), train, validation, 2, training, 1, state, accelerator=accelerator)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_training_learns_in_each_precision(view: Path, tmp_path: Path, precision: str) -> None:
    if REHEARSED and precision == "16-mixed":
        precision = "bf16-mixed"  # the processor has no gradient scaling
    fitted = fit(view, tmp_path / "state", RECIPE.model_copy(update={"precision": precision}))
    assert fitted.device.type == DEVICE.type
    assert fitted.precision == precision
    assert fitted.history[fitted.best_epoch].validation_accuracy > 0.9
    assert all(torch.isfinite(tensor).all() for tensor in fitted.weights.values())


def test_an_interrupted_training_ends_where_a_whole_one_does(
    view: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = RECIPE.model_copy(update={"epochs": 3})
    whole = fit(view, tmp_path / "whole", training)
    save = checkpoint.save

    def save_then_die(*arguments: object) -> None:
        save(*arguments)
        raise KeyboardInterrupt

    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(checkpoint, "save", save_then_die)
            with pytest.raises(KeyboardInterrupt):
                fit(view, tmp_path / "broken", training)
    again = fit(view, tmp_path / "broken", training)
    assert len(again.history) == 3
    for name, tensor in whole.weights.items():
        # A CUDA device adds in no fixed order.
        torch.testing.assert_close(again.weights[name], tensor, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("architecture", ["resnet50_hmscam", "neurallnet", "customcnn_vit"])
def test_a_compiled_network_has_the_same_gradients(architecture: str) -> None:
    torch.manual_seed(0)
    plain = registry.build(architecture, 4, "small", **undropped(architecture)).to(DEVICE).train()
    twin = copy.deepcopy(plain)
    images = torch.rand(4, 3, 64, 64, device=DEVICE)
    prepared, compiled = devices.prepare(twin, Training(compile=True), lambda: images)
    assert compiled == "yes"
    gradients = []
    for network, parameters in ((plain, plain), (prepared, twin)):
        network(images).square().sum().backward()
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in parameters.parameters()]))
    # Single spikes may flip where a potential is at its threshold.
    torch.testing.assert_close(gradients[1].norm(), gradients[0].norm(), rtol=0.02, atol=1e-4)
    assert torch.cosine_similarity(gradients[0], gradients[1], dim=0) > 0.99


def undropped(architecture: str) -> dict[str, float]:
    """Options without dropout, which no two devices draw alike."""
    known = registry.spec(architecture).sizes["small"]
    return {name: 0.0 for name in ("dropout", "block_dropout") if name in known}


@pytest.mark.parametrize("architecture", NETWORKS)
def test_a_network_answers_as_on_the_processor(architecture: str) -> None:
    torch.manual_seed(1)
    network = registry.build(architecture, 4, "small").eval()
    images = torch.randint(0, 256, (4, 64, 64, 3), dtype=torch.uint8)
    expected = inference.predict(network, [images], torch.device("cpu"))
    logits = inference.predict(network.to(DEVICE), [images], DEVICE)
    torch.testing.assert_close(logits, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("architecture", ["resnet50_hmscam", "vgg19_mhsa", "customcnn_vit", "neurallnet"])
def test_what_is_exported_answers_as_the_device_does(architecture: str, tmp_path: Path) -> None:
    torch.manual_seed(2)
    network = registry.build(architecture, 4, "small").eval()
    images = torch.randint(0, 256, (3, 64, 64, 3), dtype=torch.uint8)
    logits = inference.predict(copy.deepcopy(network).to(DEVICE), [images], DEVICE)
    exported = Exported(network)
    write_onnx(tmp_path / "model.onnx", exported, (images,), ["images"], exported.outputs)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    (answer,) = session.run(["logits"], {"images": images.numpy()})
    np.testing.assert_allclose(answer, logits.numpy(), rtol=1e-3, atol=1e-3)


def test_two_devices_learn_what_one_learns(view: Path, tmp_path: Path) -> None:
    """No dropout, no batch norm: the gradients are those of the whole batch, up to rounding."""
    if not REHEARSED and torch.cuda.device_count() < 2:
        pytest.skip("there is one CUDA device here: training on two was not tested")
    one, two = (train(view, tmp_path / str(count), count) for count in (1, 2))
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-2, atol=1e-3)
    assert read_json(tmp_path / "2/model.json")["devices"] == 2


def train(view: Path, folder: Path, count: int) -> dict[str, torch.Tensor]:
    """Run the step on some devices, as its rule does."""
    training = {"epochs": 2, "batch_size": 16, "optimiser": "sgd", "learning_rate": 0.02, "devices": count}
    options = {"block_dropout": 0.0, "dropout": 0.0}
    settings = Model(architecture="customcnn_vit", size="small", options=options, training=Training(**training))
    command = [
        sys.executable, "-m", "leukoflow.steps.train", "--settings", settings.model_dump_json(), "--name", "stripes",
        "--cohort", "demo", "--classes", '["a", "b"]', "--view", view / "view.json", "--split", view / "split.parquet",
        "--fold", "0", "--seed", "1", "--resume", folder / "resume", "--weights", folder / "weights.safetensors",
        "--description", folder / "model.json", "--history", folder / "history.csv",
        "--predictions", folder / "predictions.parquet",
    ]  # fmt: skip
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    return load_file(folder / "weights.safetensors")


@pytest.mark.parametrize("architecture", ["neurallnet"] if REHEARSED else NETWORKS)
def test_images_a_second(architecture: str, say: Callable[[str], None]) -> None:
    """At the published size, float32 and TF32 off; what is printed is a measurement, what is held is that it is one."""
    spec = registry.spec(architecture)
    settings = Profile(warm_up=3, runs=20, batches=(1,) if REHEARSED else (1, 16, 64), seconds=10)
    memory = speed.ProcessMemory() if REHEARSED else speed.GpuMemory(DEVICE)
    network = registry.build(architecture, 4, "paper").eval().to(DEVICE)
    image = torch.randint(0, 256, (1, spec.input_size, spec.input_size, 3), dtype=torch.uint8)
    rows = list(speed.measure(network, image, DEVICE, settings, memory))
    assert rows and rows[0]["batch"] == 1
    weights = sum(parameter.numel() * parameter.element_size() for parameter in network.parameters())
    for row in rows:
        assert 0 < row["p5_ms"] <= row["p50_ms"] <= row["p95_ms"]
        assert REHEARSED or 1e6 * row["peak_memory_mb"] > weights
        facts = f"{row['images_per_second']:9.1f} images/s  {row['p50_ms']:8.2f} ms  {row['peak_memory_mb']:8.1f} MB"
        say(f"{architecture:20s} batch {row['batch']:3d}  {facts}  {row['device']}")


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints past pytest's capture."""

    def line(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text}", end="")

    return line
