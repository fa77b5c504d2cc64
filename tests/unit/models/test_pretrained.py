"""Weights of files: what timm computes our trunks compute, and what does not fit is named."""

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from leukoflow.config.models import Model
from leukoflow.core.errors import LeukoFlowError
from leukoflow.models import pretrained, registry
from leukoflow.models.layers.backbones import Standardise, slim, timm, torchvision

CLASSES = 8
# The transformer behind the trunk plays no part here.
TINY_BLOCKS = {"width": 0.125, "key_share": 0.125, "blocks": 1}
# Our options, timm's name and options, the share of the channels.
TIMM = {
    "resnet50_hmscam": ({}, "resnet50", {}, 0.125),
    "resnet50_vit": (TINY_BLOCKS, "resnet50", {}, 0.125),
    "efficientnetb3_vit": (TINY_BLOCKS, "efficientnet_b3", {}, 0.125),
    "inceptionv3_vit": (TINY_BLOCKS, "inception_v3", {"aux_logits": True}, 0.125),
    "vgg19_mhsa": ({}, "vgg19", {}, 0.125),
    "resnet50": ({}, "resnet50", {}, 0.125),
    "resnet101": ({}, "resnet101", {}, 0.125),
    "vgg19": ({}, "vgg19", {}, 0.125),
    "vit_b16": (
        {},
        "vit_base_patch16_224",
        {"embed_dim": 48, "patch_size": 8, "dynamic_img_size": True},
        1.0,
    ),
    "mobilenetv4_small": ({}, "mobilenetv4_conv_small", {}, 0.25),
    "efficientnet_b0": ({}, "efficientnet_b0", {}, 0.25),
    "efficientnet_lite0": ({}, "tf_efficientnet_lite0", {}, 0.25),
    "efficientnetlite0_vit": (TINY_BLOCKS, "tf_efficientnet_lite0", {}, 0.125),
    "densenet121": ({}, "densenet121", {}, 0.25),
    "leukonet": ({}, "tf_efficientnet_lite0", {}, 0.25),
}
WITH_TRUNK = [name for name in registry.names() if registry.spec(name).backbone]


def theirs(name: str, share: float = 1.0, **options) -> nn.Module:
    """A network of timm with a classifier, every weight and statistic random, in evaluation mode."""
    torch.manual_seed(3)
    return shuffled(slim(lambda: timm().create_model(name, num_classes=CLASSES, **options), share))


def shuffled(network: nn.Module) -> nn.Module:
    """Scales, shifts and statistics of norms random too, so that none may be left out."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for tensor in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
                nn.init.uniform_(tensor, 0.5, 1.5)
    return network.eval()


def saved(network: nn.Module, file: Path) -> Path:
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, file)
    return file


def ours(name: str, seed: int = 0, classes: int = 3, size: str = "small", **options) -> nn.Module:
    torch.manual_seed(seed)
    return registry.build(name, classes, size, **options).eval()


def load(model: nn.Module, name: str, file: Path, **more) -> str:
    return pretrained.load(model, file, registry.spec(name).backbone, **more)


@pytest.mark.parametrize("name", TIMM)
def test_a_trunk_gives_what_timm_gives(name: str, tmp_path: Path) -> None:
    options, network, timm_options, share = TIMM[name]
    reference = theirs(network, share, **timm_options)
    file = saved(reference, tmp_path / "timm.safetensors")
    if network == "inception_v3":  # its second head wants larger images, and is no part of the maps
        reference.AuxLogits, reference.aux_logits = None, False
    model = ours(name, **options)
    head = {key: tensor.clone() for key, tensor in model.state_dict().items() if key.startswith("head.")}
    x = torch.rand(2, 3, 112, 112)
    standardised = Standardise("any")(x)
    with torch.inference_mode():
        expected = reference.forward_features(standardised)
        if name == "leukonet":  # the first stages alone
            expected = reference.blocks[:4](reference.bn1(reference.conv_stem(standardised)))
        if registry.spec(name).backbone == ("network.",):
            expected = reference.forward_head(expected, pre_logits=True)
        assert not torch.allclose(model.maps(x), expected, rtol=1e-2)
        load(model, name, file)
        torch.testing.assert_close(model.maps(x), expected, rtol=1e-5, atol=1e-6)
    assert head and all(torch.equal(model.state_dict()[key], tensor) for key, tensor in head.items())


def test_alexnet_gives_what_torchvision_gives(tmp_path: Path) -> None:
    reference = slim(lambda: torchvision().models.alexnet(num_classes=CLASSES), 0.125).eval()
    model = ours("alexnet")
    load(model, "alexnet", saved(reference, tmp_path / "torchvision.safetensors"))
    x = torch.rand(2, 3, 96, 96)
    reference.classifier[-1] = nn.Identity()
    with torch.inference_mode():
        torch.testing.assert_close(model.maps(x), reference(Standardise("any")(x)))


def test_the_published_size_takes_the_published_network(tmp_path: Path) -> None:
    reference = theirs("resnet50")
    model = ours("resnet50_hmscam", size="paper")
    load(model, "resnet50_hmscam", saved(reference, tmp_path / "timm.safetensors"))
    x = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(model.maps(x), reference.forward_features(Standardise("any")(x)))


@pytest.mark.parametrize("name", WITH_TRUNK)
def test_a_whole_network_of_ours_gives_its_trunk_to_another_number_of_classes(name: str, tmp_path: Path) -> None:
    first = shuffled(ours(name, seed=1, classes=4))
    file = saved(first, tmp_path / "weights.safetensors")
    model = ours(name, seed=2, classes=3)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    digest = load(model, name, file, sha256=hashlib.sha256(file.read_bytes()).hexdigest())
    assert digest == hashlib.sha256(file.read_bytes()).hexdigest()
    trunk = registry.spec(name).backbone
    changed = 0
    for key, tensor in model.state_dict().items():
        source = first.state_dict() if key.startswith(trunk) else before
        assert torch.equal(tensor, source[key]), key
        changed += not torch.equal(tensor, before[key])
    assert changed > 3


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    model = ours("resnet50_hmscam")
    tensors = theirs("resnet50", 0.125).state_dict()
    file = tmp_path / "some.safetensors"

    def refused(weights: dict[str, torch.Tensor], words: str) -> None:
        save_file(weights, file)
        before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
        with pytest.raises(LeukoFlowError, match=rf"some.safetensors: .*{words}") as error:
            load(model, "resnet50_hmscam", file)
        assert "\n" not in str(error.value)
        assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())

    last = "layer4.1.conv2.weight"
    refused({key: tensor for key, tensor in tensors.items() if key != last}, f"there is no tensor for trunk.{last}")
    refused(tensors | {last: torch.zeros(64, 64, 1, 1)}, rf"trunk.{last} is 64x64x1x1 in the file, 64x64x3x3")
    # All that a ResNet50 needs is in a ResNet101, and more.
    refused(theirs("resnet101", 0.125).state_dict(), "layer3.10.bn1.bias has no place")
    refused(theirs("mobilenetv4_conv_small").state_dict(), "there is no tensor for trunk.conv1.weight")
    save_file({key: tensor for key, tensor in tensors.items() if not key.endswith("num_batches_tracked")}, file)
    assert len(load(model, "resnet50_hmscam", file)) == 64
    with pytest.raises(LeukoFlowError, match="some.safetensors: sha256 is .*, the config says 000"):
        load(model, "resnet50_hmscam", file, sha256="0" * 64)
    file.write_bytes(b"no tensors")
    with pytest.raises(LeukoFlowError, match=r"some.safetensors: cannot be read .* give a safetensors file"):
        load(model, "resnet50_hmscam", file)


def test_the_source_is_told_and_files_and_keys_belong_together(tmp_path: Path) -> None:
    file = saved(ours("neurallnet", seed=1), tmp_path / "some.safetensors")
    model, spec = ours("neurallnet"), registry.spec("neurallnet")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    for weights, words in (("hub:owner/name@v1", "hub:owner/name@v1"), (str(file), "some.safetensors")):
        entry = Model(architecture="neurallnet", weights=weights, sha256=digest)
        begun = pretrained.start(model, spec, "spikes", entry, file)
        assert begun.words == f"{words} (sha256 {digest[:12]})" and begun.loaded == spec.backbone
        with pytest.raises(LeukoFlowError, match="models.spikes.weights: give a file"):
            pretrained.start(model, spec, "spikes", entry, None)
    plain = Model(architecture="neurallnet")
    begun = pretrained.start(model, spec, "spikes", plain, None)
    assert begun.words == "random" and begun.loaded == ()
    with pytest.raises(LeukoFlowError, match="models.spikes.weights: give a file"):
        pretrained.start(model, spec, "spikes", plain, file)


def test_architectures_without_a_trunk_say_so() -> None:
    without = set(registry.names()) - set(WITH_TRUNK)
    assert without == {"colour_histogram", "hybridcn_nas", "gradient_boosting"}
    for name in without:
        with pytest.raises(LeukoFlowError, match=rf"models.x.weights: {name} has no trunk.*remove this key"):
            pretrained.trunk_of(registry.spec(name), "models.x.weights")
