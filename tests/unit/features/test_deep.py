"""Deep features: what they are, where weights come from, and that an interrupted shard goes on."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from leukoflow.config.features import Backbone
from leukoflow.config.inputs import IMAGENET
from leukoflow.core.errors import LeukoFlowError
from leukoflow.features import deep
from leukoflow.models.inputs import Found
from leukoflow.models.layers.backbones import timm

NAMES = ("convnext_atto", "mobilenetv3_small_050")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def networks() -> tuple[deep.Network, deep.Network]:
    first, second = (deep.load_network(Backbone(name=name), None, 42) for name in NAMES)
    return first, second


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (11, 64, 64, 3), dtype=np.uint8)


def extracted(networks, images: np.ndarray, folder: Path, grid: int = 1, batch: int = 4, most: int = 99) -> np.ndarray:
    extractor = deep.Extractor(networks, grid)
    made = deep.extract(extractor, lambda rows: images[rows], len(images), batch, CPU, folder)
    for number, _ in enumerate(made, start=1):
        if number == most:
            break
    return np.load(folder / "rows.npy")


def test_pooled_features_are_those_of_timm(networks, images: np.ndarray, tmp_path: Path) -> None:
    rows = extracted(networks, images, tmp_path)
    assert rows.shape == (11, 320 + 288) and rows.dtype == np.float32
    mean, sd = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    x = torch.from_numpy(((images / 255 - mean) / sd).transpose(0, 3, 1, 2)).float()
    with torch.inference_mode():
        expected = torch.cat([network.model.forward_features(x).mean((2, 3)) for network in networks], 1)
    np.testing.assert_allclose(rows, expected, rtol=1e-3, atol=1e-5)


def test_a_grid_keeps_positions_in_the_order_network_channel_row_column(networks, images, tmp_path: Path) -> None:
    rows, means = extracted(networks, images, tmp_path / "a", 2), extracted(networks, images, tmp_path / "b", 1)
    assert rows.shape == (11, 4 * 608)
    np.testing.assert_allclose(rows.reshape(11, 608, 4).mean(2), means, rtol=1e-4, atol=1e-6)
    with torch.inference_mode():
        x = deep.Standardise("any")(torch.from_numpy(images[:1]).permute(0, 3, 1, 2) / 255)
        maps = networks[0].model.forward_features(x)[0]
    np.testing.assert_allclose(rows[0, : 320 * 4].reshape(320, 2, 2), maps, rtol=1e-3, atol=1e-5)


def test_an_interrupted_shard_goes_on_and_ends_the_same(networks, images, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(deep, "_FLUSHED", 1)
    whole = extracted(networks, images, tmp_path / "whole")
    folder = tmp_path / "part"
    extracted(networks, images, folder, most=2)
    assert deep.rows_done(folder) == 8
    asked: list[int] = []

    def gather(rows: np.ndarray) -> np.ndarray:
        asked.extend(rows.tolist())
        return images[rows]

    assert list(deep.extract(deep.Extractor(networks, 1), gather, 11, 4, CPU, folder)) == [11]
    assert asked == [8, 9, 10]
    np.testing.assert_array_equal(np.load(folder / "rows.npy"), whole)
    digest = deep.finish(folder, tmp_path / "out" / "000.npy")
    assert not folder.exists() and digest == deep.finish(tmp_path / "whole", tmp_path / "out" / "001.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "out/000.npy"), whole)


def test_a_shard_without_images_has_no_rows_but_columns(networks, images, tmp_path: Path) -> None:
    assert extracted(networks, images[:0], tmp_path / "none").shape == (0, 608)
    deep.finish(tmp_path / "none", tmp_path / "000.npy")
    assert np.load(tmp_path / "000.npy").shape == (0, 608)


def test_random_weights_depend_on_the_seed_alone(networks) -> None:
    torch.manual_seed(9)
    again = deep.load_network(Backbone(name=NAMES[0]), None, 42)
    other = deep.load_network(Backbone(name=NAMES[0]), None, 43)
    key = "stages.0.blocks.0.mlp.fc1.weight"
    assert torch.equal(again.model.state_dict()[key], networks[0].model.state_dict()[key])
    assert not torch.equal(other.model.state_dict()[key], networks[0].model.state_dict()[key])
    assert again.facts()["weights"] == "random" and again.facts()["sha256"] is None
    assert not again.model.training and not any(parameter.requires_grad for parameter in again.model.parameters())


def test_weights_of_a_file_without_their_head(tmp_path: Path) -> None:
    for name in NAMES:
        torch.manual_seed(3)
        whole = timm().create_model(name, num_classes=7)
        file = tmp_path / f"{name}.safetensors"
        save_file(whole.state_dict(), file)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        network = deep.load_network(Backbone(name=name, weights=str(file), sha256=digest), file, 42)
        x = torch.rand(2, 3, 64, 64)
        with torch.inference_mode():
            assert torch.equal(network.model.forward_features(x), whole.eval().forward_features(x))
        assert network.facts()["weights"] == str(file) and network.facts()["sha256"] == digest
        with pytest.raises(LeukoFlowError, match=f"{name}.safetensors: sha256 is {digest}, the config says 000"):
            deep.load_network(Backbone(name=name, weights=str(file), sha256="0" * 64), file, 42)


def test_foreign_or_damaged_weights_and_unknown_networks_are_named(tmp_path: Path) -> None:
    file = tmp_path / "some.safetensors"
    foreign = timm().create_model(NAMES[1]).state_dict()
    wrong_shape = timm().create_model(NAMES[0]).state_dict()
    wrong_shape["stem.0.weight"] = torch.zeros(1, 3, 4, 4)
    missing = timm().create_model(NAMES[0]).state_dict()
    missing.pop("stem.0.weight")
    for tensors in (foreign, wrong_shape, missing):
        save_file(tensors, file)
        with pytest.raises(LeukoFlowError, match=r"some.safetensors: these are no weights of this network"):
            deep.load_network(Backbone(name=NAMES[0], weights="x"), file, 0)
    file.write_bytes(b"no tensors")
    with pytest.raises(LeukoFlowError, match=r"some.safetensors"):
        deep.load_network(Backbone(name=NAMES[0], weights="x"), file, 0)
    with pytest.raises(LeukoFlowError, match="timm has no network 'convnext_atom'"):
        deep.load_network(Backbone(name="convnext_atom"), None, 0)


def test_networks_without_maps_small_maps_and_bad_values_are_told(networks, images, tmp_path: Path) -> None:
    tokens = deep.load_network(Backbone(name="mixer_s32_224"), None, 0)
    large = np.zeros((1, 224, 224, 3), np.uint8)
    with pytest.raises(LeukoFlowError, match="mixer_s32_224 has no feature maps"):
        extracted((tokens, networks[1]), large, tmp_path / "a")
    with pytest.raises(LeukoFlowError, match="maps of convnext_atto are 2x2, less than grid 7; lower grid"):
        extracted(networks, images, tmp_path / "b", 7)
    broken = deep.load_network(Backbone(name=NAMES[0]), None, 0)
    torch.nn.init.constant_(broken.model.stem[0].bias, torch.nan)
    with pytest.raises(LeukoFlowError, match="not finite"):
        extracted((broken, networks[1]), images, tmp_path / "c")


def test_a_vision_transformer_gives_the_maps_of_its_patches(tmp_path: Path) -> None:
    # As DinoBloom is laid out: patches of 14 pixels, positions for 224 of them, a token that stands for no patch.
    whole = timm().create_model("vit_small_patch14_dinov2", img_size=224, num_classes=0).eval()
    file = tmp_path / "encoder.safetensors"
    save_file(whole.state_dict(), file)
    scaling = {"mean": [0.4, 0.5, 0.6], "sd": [0.1, 0.2, 0.3]}
    entry = {"name": "vit_small_patch14_dinov2", "weights": str(file), "input_scaling": scaling}
    network = deep.load_network(Backbone(**entry, size=224), file, 0)
    facts = network.facts()
    assert facts["size"] == 224 and facts["input"]["mean"] == [0.4, 0.5, 0.6] and facts["parameters"] == 21_628_800
    x = torch.rand(2, 3, 112, 112)
    with torch.inference_mode():
        rows = deep.Extractor((network,), 2)(x)
        larger = torch.nn.functional.interpolate(x, (224, 224), mode="bilinear")
        mean, sd = (torch.tensor(scaling[key])[:, None, None] for key in ("mean", "sd"))
        tokens = whole.forward_features((larger - mean) / sd)[:, 1:].reshape(2, 2, 8, 2, 8, 384)
    expected = tokens.mean((2, 4)).permute(0, 3, 1, 2).reshape(2, 4 * 384)
    torch.testing.assert_close(rows, expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(LeukoFlowError, match=r"pos_embed is 1x257x384 in the file, 1x1370x384 in the network"):
        deep.load_network(Backbone(**entry), file, 0)


def test_layers_behind_the_last_map_are_gone_and_those_before_it_stay() -> None:
    kept = deep.load_network(Backbone(name="tf_efficientnet_lite0"), None, 0).model
    gone = deep.load_network(Backbone(name=NAMES[1]), None, 0).model
    assert "conv_head.weight" in kept.state_dict() and "conv_head.weight" not in gone.state_dict()
    with torch.inference_mode():
        assert kept.forward_features(torch.rand(1, 3, 64, 64)).shape == (1, 1280, 2, 2)


@pytest.mark.parametrize(("name", "parameters"), [("convnext_large", 196_227_264), ("nasnetalarge", 84_720_150)])
def test_published_trunks(name: str, parameters: int) -> None:
    with torch.device("meta"):
        model = deep.feature_network(name)
    channels = {"convnext_large": 1536, "nasnetalarge": 4032}[name]
    assert model.num_features == channels
    assert deep.Network(model, name, channels, "random", None, Found(IMAGENET, "")).facts()["parameters"] == parameters
