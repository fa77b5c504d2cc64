"""The scaling of a network's input: that of its weights by timm's own config, in training, loading and export."""

import logging
from pathlib import Path
from typing import get_args

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import nn

from leukoflow.config.features import Backbone, DeepFeatures
from leukoflow.config.inputs import BY_NETWORK, IMAGENET, OF_WEIGHTS, PRESETS, InputScaling, Preset
from leukoflow.config.load import load_study
from leukoflow.config.models import Model
from leukoflow.core.errors import LeukoFlowError
from leukoflow.export.network import Exported
from leukoflow.export.onnx import write_onnx
from leukoflow.features import deep
from leukoflow.models import inference, inputs, pretrained, registry
from leukoflow.models.layers.backbones import Standardise, slim, timm, torchvision
from leukoflow.models.penultimate import features_and_logits
from leukoflow.runtime.sessions import session

STUDIES = sorted((Path(__file__).parents[3] / "workflow/studies").glob("*.yaml"))
HALF = {"mean": [0.5, 0.5, 0.5], "sd": [0.5, 0.5, 0.5], "channels": "rgb"}
OF_IMAGENET = {"mean": [0.485, 0.456, 0.406], "sd": [0.229, 0.224, 0.225], "channels": "rgb"}
WITH_SCALING = ("resnet50_hmscam", "vgg19_mhsa", "resnet50_vit", "efficientnetb3_vit", "inceptionv3_vit", "resnet50")
WITH_SCALING += ("resnet101", "vgg19", "vit_b16", "mobilenetv4_small", "efficientnet_b0", "densenet121")
WITH_SCALING += ("efficientnet_lite0", "efficientnetlite0_vit", "leukonet")
FILE = Path("some.safetensors")


def build(name: str, **options) -> nn.Module:
    torch.manual_seed(0)
    return registry.build(name, 3, "small", **options).eval()


def theirs(name: str) -> dict:
    """timm's own word, from the network that it builds."""
    with torch.device("meta"):
        config = timm().create_model(name, pretrained=False).pretrained_cfg
    return {"mean": list(config["mean"]), "sd": list(config["std"]), "channels": "rgb"}


def without_source(facts: dict) -> dict:
    return {key: value for key, value in facts.items() if key != "source"}


def hub_weights() -> list[tuple[str, str, str]]:
    """Every hub's weights in the shipped studies, with the network's name in timm and the part."""
    weights = set()
    for study in map(load_study, STUDIES):
        for entry in study.models.values():
            if entry.weights or entry.partner:
                model = build(entry.architecture, **{k: v for k, v in entry.options.items() if k == "partner"})
                named = {"trunk": entry.weights, "partner": entry.partner and entry.partner.weights}
                layers = inputs.parts(model).items()
                weights |= {(named[part], layer.network, part) for part, layer in layers if named[part]}
        deep_ones = [feature for feature in study.features.values() if isinstance(feature, DeepFeatures)]
        weights |= {
            (backbone.weights, backbone.name, "trunk")
            for entry in deep_ones
            for backbone in entry.backbones
            if backbone.weights
        }
    return sorted(found for found in weights if found[0].startswith("hub:"))


def test_shipped_weights_get_what_timm_says(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "x.safetensors"
    save_file({"a": torch.zeros(1)}, file)
    checked = {}
    for weights, network, part in hub_weights():
        name = weights.removeprefix("hub:timm/").partition("@")[0]
        facts = inputs.find(Backbone(name=network, weights=weights), network, part, file, "key").facts()
        assert facts == theirs(name) | {"source": f"timm's config of {name}"}
        checked[name] = without_source(facts)
    assert len(checked) >= 11 and not caplog.records
    for name in ("inception_v3.tv_in1k", "nasnetalarge.tf_in1k", "vit_base_patch16_224.augreg_in1k"):
        assert checked[name] == HALF
    assert checked["resnet50.tv_in1k"] == OF_IMAGENET


@pytest.mark.parametrize("name", WITH_SCALING)
def test_every_trunk_gets_what_timm_says_of_each_of_its_weights(name: str, tmp_path: Path) -> None:
    model = build(name)
    (layer,) = inputs.parts(model).values()
    file = tmp_path / "x.safetensors"
    save_file({"a": torch.zeros(1)}, file)
    tags = timm().list_pretrained(f"{layer.network}.*")
    assert tags
    for tag in tags:
        config = timm().models.get_pretrained_cfg(tag)
        facts = inputs.set_inputs(model, Model(architecture=name, weights=f"hub:timm/{tag}@main"), "m", file)
        assert facts["trunk"]["mean"] == list(config.mean) and facts["trunk"]["sd"] == list(config.std)
        x = torch.rand(1, 3, 4, 4)
        expected = (x - torch.tensor(config.mean)[:, None, None]) / torch.tensor(config.std)[:, None, None]
        assert torch.equal(layer(x), expected)
    # A file that says nothing gets the default of its network.
    entry = Model(architecture=name, weights=str(file))
    assert without_source(inputs.set_inputs(model, entry, "m", file)["trunk"]) == theirs(layer.network)


def test_networks_with_and_without_a_scaling() -> None:
    with_one = {name for name in registry.names() if inputs.parts(build(name))}
    assert with_one == {*WITH_SCALING, "alexnet"}
    alexnet = inputs.parts(build("alexnet"))["trunk"].network
    transforms = torchvision().models.AlexNet_Weights.IMAGENET1K_V1.transforms()
    scaling = inputs._default(alexnet)
    assert list(scaling.mean) == transforms.mean and list(scaling.sd) == transforms.std


def test_random_weights_get_imagenets_and_say_so() -> None:
    model = build("inceptionv3_vit", partner="resnet50")
    entry = Model(architecture="inceptionv3_vit", options={"partner": "resnet50"})
    facts = inputs.set_inputs(model, entry, "m", None)
    assert facts == dict.fromkeys(("trunk", "partner"), OF_IMAGENET | {"source": inputs.RANDOM})


def test_an_unknown_origin_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "x.safetensors")
    for weights in (str(tmp_path / "x.safetensors"), "hub:somebody/mine@main", "hub:timm/inception_v3.tv_in2k@main"):
        caplog.clear()
        entry = Backbone(name="inception_v3", weights=weights)
        choice = inputs.find(entry, "inception_v3", "trunk", tmp_path / "x.safetensors", "models.m.input_scaling")
        assert choice.facts() == HALF | {"source": "default for inception_v3, assumed"}
        assert "models.m.input_scaling: neither the weights nor timm say" in caplog.text
        assert "set this key" in caplog.text


def test_the_config_may_say_it() -> None:
    assert set(get_args(Preset)) == {OF_WEIGHTS, *PRESETS, *BY_NETWORK}
    x = torch.rand(2, 3, 4, 4)
    red, green, blue = (x * 255).unbind(1)
    expected = {
        "imagenet": (x - torch.tensor(OF_IMAGENET["mean"])[:, None, None])
        / torch.tensor(OF_IMAGENET["sd"])[:, None, None],
        "unit": x,
        "symmetric": 2 * x - 1,
        "bytes": x * 255,
        # Keras's resnet50.preprocess_input: blue first, the means of ImageNet in bytes taken away.
        "caffe": torch.stack([blue - 103.939, green - 116.779, red - 123.68], dim=1),
    }
    for name, wanted in expected.items():
        model = build("resnet50_hmscam")
        entry = Model(architecture="resnet50_hmscam", input_scaling=name)
        assert inputs.set_inputs(model, entry, "m", None)["trunk"]["source"] == f"config: {name}"
        torch.testing.assert_close(model.standardise(x), wanted, rtol=1e-4, atol=1e-4)
    scaling = {"mean": [0.1, 0.2, 0.3], "sd": [0.5, 0.25, 1], "channels": "bgr"}
    entry = Model(architecture="resnet50_hmscam", input_scaling=scaling)
    assert inputs.set_inputs(model, entry, "m", None)["trunk"] == scaling | {"source": "config"}
    (first, second, third), source = model.standardise(x).unbind(1), x.unbind(1)
    torch.testing.assert_close(first, (source[2] - 0.1) / 0.5)
    torch.testing.assert_close(second, (source[1] - 0.2) / 0.25)
    torch.testing.assert_close(third, source[0] - 0.3)
    with pytest.raises(ValidationError, match="greater than 0"):
        InputScaling(mean=(0, 0, 0), sd=(1, 0, 1))
    for name in ("neurallnet", "customcnn_vit"):
        entry = Model(architecture=name, input_scaling="caffe")
        with pytest.raises(LeukoFlowError, match=rf"models.m.input_scaling: .*{name} takes pictures in \[0, 1\]"):
            inputs.set_inputs(build(name), entry, "m", None)


@pytest.mark.parametrize("name", ["resnet50_vit", "inceptionv3_vit", "efficientnetb3_vit"])
def test_what_keras_does_to_pictures_of_the_hybrids(name: str) -> None:
    x = torch.rand(2, 3, 4, 4)
    red, green, blue = (x * 255).unbind(1)
    mean, sd = (torch.tensor(OF_IMAGENET[key])[:, None, None] for key in ("mean", "sd"))

    def rescaling(pixels: torch.Tensor) -> torch.Tensor:
        """The first layers of Keras's EfficientNet: Rescaling(1 / 255), Normalization."""
        return (pixels / 255 - mean) / sd

    wanted = {
        "resnet50_vit": (torch.stack([blue - 103.939, green - 116.779, red - 123.68], dim=1), x),
        "inceptionv3_vit": (x * 255 / 127.5 - 1, x),
        "efficientnetb3_vit": (rescaling(x * 255), rescaling(x)),
    }[name]
    for asked, expected in zip(("keras", "keras_unit"), wanted, strict=True):
        model = build(name)
        entry = Model(architecture=name, input_scaling=asked)
        assert inputs.set_inputs(model, entry, "m", FILE)["trunk"]["source"] == f"config: {asked}"
        torch.testing.assert_close(model.standardise(x), expected, rtol=1e-4, atol=1e-4)


def test_networks_that_keras_does_not_have_are_named() -> None:
    entry = Model(architecture="vit_b16", input_scaling="keras")
    with pytest.raises(LeukoFlowError, match="models.m.input_scaling: how Keras scales .*vit_base_patch16_224.*known"):
        inputs.set_inputs(build("vit_b16"), entry, "m", None)


def saved(model: nn.Module, folder: Path, name: str, facts: dict, options: dict | None = None) -> dict:
    """A run's weights and what `model.json` says of them."""
    inference.save_tensors(folder / "weights.safetensors", model.state_dict())
    return {"architecture": name, "classes": list("abc"), "size": "small", "options": options or {}, "input": facts}


@pytest.mark.parametrize("scaling", ["symmetric", "caffe"])
@pytest.mark.parametrize(("name", "options"), [("resnet50_hmscam", {}), ("resnet50_vit", {"partner": "inceptionv3"})])
def test_loading_features_and_export_see_the_same_scaling(
    name: str, options: dict, scaling: str, tmp_path: Path
) -> None:
    model = build(name, **options)
    partner = {"input_scaling": "bytes"} if options else None
    entry = Model(architecture=name, input_scaling=scaling, options=options, partner=partner)
    facts = inputs.set_inputs(model, entry, "m", None)
    images = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    x = images.permute(0, 3, 1, 2).float() / 255
    description = saved(model, tmp_path, name, facts, options)
    with torch.inference_mode():
        logits = model(x)
        loaded = inference.load_model(description, tmp_path / "weights.safetensors")
        assert torch.equal(loaded(x), logits)
        torch.testing.assert_close(features_and_logits(loaded, x)[1], logits)
        # It matters: without what model.json says the logits are others.
        plain = inference.load_model(description | {"input": {}}, tmp_path / "weights.safetensors")
        assert (plain(x) - logits).abs().max() > 1e-3
    exported = Exported(loaded)
    write_onnx(tmp_path / "model.onnx", exported, (images,), ["images"], exported.outputs)
    output = session(tmp_path / "model.onnx", 1).run(["logits"], {"images": images.numpy()})[0]
    torch.testing.assert_close(torch.from_numpy(output), logits, rtol=1e-3, atol=1e-4)


def test_a_description_of_another_network_is_named(tmp_path: Path) -> None:
    model = build("resnet50_hmscam")
    facts = {"partner": OF_IMAGENET}
    with pytest.raises(LeukoFlowError, match="the scaling of the input in model.json is of another network"):
        inference.load_model(saved(model, tmp_path, "resnet50_hmscam", facts), tmp_path / "weights.safetensors")
    facts = {"trunk": {"mean": [0, 0]}}
    with pytest.raises(LeukoFlowError, match="the scaling of the input cannot be read"):
        inference.load_model(saved(model, tmp_path, "resnet50_hmscam", facts), tmp_path / "weights.safetensors")


def test_trunk_and_partner_each_have_their_own(tmp_path: Path) -> None:
    """Both parts compute what timm computes with timm's own scaling of the weights."""
    files, networks = {}, {"inception_v3": "tv_in1k", "resnet50": "tv_in1k"}
    references = {}
    for seed, network in enumerate(networks):
        torch.manual_seed(seed + 5)
        more = {"aux_logits": False} if network == "inception_v3" else {}
        references[network] = slim(lambda n=network, m=more: timm().create_model(n, num_classes=0, **m), 0.125).eval()
        files[network] = tmp_path / f"{network}.safetensors"
        save_file(
            {key: tensor.contiguous() for key, tensor in references[network].state_dict().items()}, files[network]
        )
    entry = Model(
        architecture="inceptionv3_vit",
        weights="hub:timm/inception_v3.tv_in1k@main",
        options={"partner": "resnet50"},
        partner={"weights": "hub:timm/resnet50.tv_in1k@main"},
    )
    model, spec = build("inceptionv3_vit", partner="resnet50"), registry.spec("inceptionv3_vit")
    begun = pretrained.start(model, spec, "m", entry, files["inception_v3"], files["resnet50"])
    assert begun.loaded == ("trunk.", "partner.")
    first, second = begun.words.split("; partner: ")
    assert first.startswith("hub:timm/inception_v3.tv_in1k@main (sha256 ") and second.startswith("hub:timm/resnet50.tv")
    assert without_source(begun.inputs["trunk"]) == HALF and without_source(begun.inputs["partner"]) == OF_IMAGENET
    x = torch.rand(1, 3, 128, 128)
    with torch.inference_mode():
        for network, partner in (("inception_v3", False), ("resnet50", True)):
            config = timm().data.resolve_data_config(pretrained_cfg=theirs_config(network, networks[network]))
            mean, sd = (torch.tensor(config[key])[:, None, None] for key in ("mean", "std"))
            torch.testing.assert_close(
                model.maps(x, partner=partner), references[network].forward_features((x - mean) / sd)
            )


def theirs_config(network: str, tag: str) -> dict:
    return timm().models.get_pretrained_cfg(f"{network}.{tag}").to_dict()


def test_features_scale_for_each_network_apart(tmp_path: Path) -> None:
    """NASNet-like weights next to ConvNeXt-like ones: what is recorded is what each of them is given."""
    entries = (Backbone(name="convnext_atto"), Backbone(name="mobilenetv3_small_050", input_scaling="symmetric"))
    networks = tuple(deep.load_network(entry, None, 42) for entry in entries)
    x = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        rows = deep.Extractor(networks, 1)(x)
        first, second = (network.model for network in networks)
        imagenet = Standardise("any").set(IMAGENET)(x)
        expected = [first.forward_features(imagenet), second.forward_features(2 * x - 1)]
    torch.testing.assert_close(rows, torch.cat([maps.mean((2, 3)) for maps in expected], 1), rtol=1e-4, atol=1e-5)
    assert [without_source(network.facts()["input"]) for network in networks] == [OF_IMAGENET, HALF]


def test_what_leukoflow_saved_says_its_scaling_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = build("resnet50_hmscam")
    trunk = pretrained.trunk_tensors(first, ("trunk.",))
    file = tmp_path / "pretrained.safetensors"
    pretrained.save_trunk(file, trunk, "self-trained", {"trunk": HALF | {"source": "config: symmetric"}})
    model, spec = build("resnet50_hmscam"), registry.spec("resnet50_hmscam")
    with caplog.at_level(logging.WARNING):
        begun = pretrained.start(model, spec, "m", Model(architecture="resnet50_hmscam", weights=str(file)), file)
    assert begun.inputs["trunk"] == HALF | {"source": "pretrained.safetensors (config: symmetric)"}
    assert not caplog.records
    assert pretrained.words_of(file) == "self-trained"
