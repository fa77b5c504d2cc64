"""The same demands on every registered architecture."""

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from leukoflow.core.errors import LeukoFlowError
from leukoflow.models import inference, registry

# Published or derived from the papers' own numbers, with four classes.
TRAINABLE = {"neurallnet": 336_544, "resnet50_hmscam": 41_618_989, "colour_histogram": 0, "hybridcn_nas": 148_740}
TRAINABLE["gradient_boosting"] = 0
TRAINABLE |= {"vgg19_mhsa": 21_078_084, "customcnn_vit": 5_650_760 - 1_028}
# As published, with eight classes and without what Keras counts besides; each class fewer is d + 1 parameters fewer.
TRAINABLE |= {"resnet50_vit": 359_208_008 - 4 * 2_049, "efficientnetb3_vit": 199_556_656 - 4 * 1_537}
TRAINABLE |= {"inceptionv3_vit": 357_485_544 - 4 * 2_049}
# With 1,000 classes: torchvision's and timm's own documentation.
IMAGENET = {"alexnet": 61_100_840, "resnet50": 25_557_032, "resnet101": 44_549_160, "vgg19": 143_667_240}
IMAGENET |= {
    "vit_b16": 86_567_656,
    "mobilenetv4_small": 3_774_024,
    "efficientnet_b0": 5_288_548,
    "efficientnet_lite0": 4_652_008,
    "densenet121": 7_978_856,
}
LAST = {"alexnet": 4096, "resnet50": 2048, "resnet101": 2048, "vgg19": 4096, "vit_b16": 768, "mobilenetv4_small": 1280}
LAST |= {"efficientnet_b0": 1280, "efficientnet_lite0": 1280, "densenet121": 1024}
TRAINABLE |= {name: IMAGENET[name] - 996 * (LAST[name] + 1) for name in IMAGENET}
# The trunk, two blocks of tokens 1,280 wide, the head.
TRAINABLE["efficientnetlite0_vit"] = 4_652_008 - 1_281_000 + 2 * (40 * 1280**2 + 34 * 1280) + 4 * 1281
# Four stages of the trunk as timm counts them, the pointwise convolution with its norm, the head on mean and maximum.
TRAINABLE["leukonet"] = 253_984 + 80 * 256 + 2 * 256 + 4 * (2 * 256 + 1)
HMSCAM_ATTACHMENT = {4: 18_110_957, 2: 18_106_859}
RESNET50_TRUNK = 23_508_032

ALL = registry.names()
NETWORKS = [name for name in ALL if registry.spec(name).fitting == "gradient"]


def small(name: str, classes: int = 4) -> nn.Module:
    torch.manual_seed(0)
    return registry.build(name, classes, "small")


def inputs(name: str, x: torch.Tensor) -> torch.Tensor:
    """Images as they are, or as rows of as many features as the small model wants."""
    spec = registry.spec(name)
    if spec.reads == "images":
        return x
    wanted = spec.sizes["small"]["features"]
    return nn.functional.adaptive_avg_pool1d(x.flatten(1), wanted) * 10 - 5


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def striped(images: int, side: int = 48) -> tuple[torch.Tensor, torch.Tensor]:
    """Images whose class is the period of their stripes, not their colour."""
    torch.manual_seed(1)
    y = torch.arange(images) % 4
    ramp = torch.arange(side).float()
    waves = torch.stack([torch.sin(ramp * (0.3 + 0.4 * k)) for k in range(4)])
    x = 0.5 + 0.3 * waves[y][:, None, None, :].expand(-1, 3, side, -1) + 0.1 * torch.rand(images, 3, side, side)
    return x.contiguous(), y


@pytest.mark.parametrize("name", ALL)
def test_spec_belongs_to_its_file(name: str) -> None:
    spec = registry.spec(name)
    assert spec.name == name
    assert "paper" in spec.sizes and "small" in spec.sizes
    assert spec.parameters == TRAINABLE[name]


@pytest.mark.parametrize("name", ALL)
def test_published_number_of_parameters(name: str) -> None:
    with torch.device("meta"):
        assert count(registry.build(name, num_classes=4, size="paper")) == TRAINABLE[name]


@pytest.mark.parametrize(
    ("name", "published", "classes"),
    [("resnet50_vit", 4_134_784, 8), ("efficientnetb3_vit", 3_871_165, 8), ("inceptionv3_vit", 6_998_496, 8)],
)
def test_frozen_layers_are_those_whose_count_is_published(name: str, published: int, classes: int) -> None:
    """Keras counts as non-trainable what is frozen and all running statistics. Its ResNet50 has biases in convolutions,
    its InceptionV3 no scale in batch norms, its EfficientNetB3 7 numbers that standardise the input."""
    spec = registry.spec(name)
    with torch.device("meta"):
        model = registry.build(name, classes)
    frozen = {key: parameter for key, parameter in model.named_parameters() if key.startswith(spec.frozen)}
    prefixes = [prefix for prefix in spec.frozen if prefix.startswith("trunk.")]
    assert prefixes and all(any(key.startswith(prefix) for key in frozen) for prefix in prefixes)
    norms = {f"{key}.": module for key, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)}
    counted = sum(parameter.numel() for parameter in frozen.values()) + sum(
        2 * norm.num_features for norm in norms.values()
    )
    if name == "resnet50_vit":
        counted += sum(len(parameter) for parameter in frozen.values() if parameter.ndim == 4)
    if name == "inceptionv3_vit":
        counted -= sum(norm.num_features for key, norm in norms.items() if key.startswith(spec.frozen))
    assert counted + 7 * (name == "efficientnetb3_vit") == published


@pytest.mark.parametrize("name", [name for name in NETWORKS if registry.spec(name).reads == "images"])
def test_small_sizes_have_as_many_layers(name: str) -> None:
    """Fewer channels, same topology."""
    with torch.device("meta"):
        sizes = [
            [
                type(module).__name__
                for module in registry.build(name, size=size).modules()
                if not list(module.children())
            ]
            for size in ("paper", "small")
        ]
    assert sizes[0] == sizes[1]


def test_hmscam_attachment_has_the_published_size() -> None:
    for classes, expected in HMSCAM_ATTACHMENT.items():
        model = registry.build("resnet50_hmscam", classes)
        trunk = count(model.trunk)
        assert trunk == RESNET50_TRUNK
        assert count(model) - trunk == expected


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("classes", [2, 5])
def test_shape_and_finiteness_over_extreme_images(name: str, classes: int) -> None:
    model = small(name, classes).eval()
    for x in (torch.zeros(2, 3, 48, 64), torch.ones(2, 3, 48, 64), torch.rand(2, 3, 48, 64)):
        logits = model(inputs(name, x))
        assert logits.shape == (2, classes) and logits.dtype == torch.float32
        assert torch.isfinite(logits).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_gradient_reaches_every_parameter(name: str) -> None:
    model = small(name).train()
    x, y = striped(8)
    nn.functional.cross_entropy(model(inputs(name, x)), y).backward()
    without = [
        key
        for key, parameter in model.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().sum() > 0
    ]
    assert without == []


@pytest.mark.parametrize("name", NETWORKS)
def test_images_do_not_see_each_other_in_evaluation(name: str) -> None:
    model = small(name).eval()
    x = inputs(name, striped(6)[0])
    together = model(x)
    torch.testing.assert_close(model(x.flip(0)).flip(0), together, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(torch.cat([model(image[None]) for image in x]), together, rtol=1e-4, atol=1e-5)
    assert torch.equal(model(x), model(x))


@pytest.mark.parametrize("name", NETWORKS)
def test_learns_eight_images_by_heart(name: str) -> None:
    x, y = striped(8, 32)
    x = inputs(name, x)

    def right(rate: float) -> bool:
        model = small(name).train()
        for layer in model.modules():
            if isinstance(layer, nn.Dropout):
                layer.p = 0.0
        optimiser = torch.optim.Adam(model.parameters(), rate)
        for _ in range(60):
            logits = model(x)
            loss = nn.functional.cross_entropy(logits, y)
            if loss < 0.05:
                return bool((logits.argmax(1) == y).all())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        return False

    # What trains fast at the one rate may not at the other.
    assert right(1e-3) or right(1e-2)


# gradient_boosting is saved in its own test, which needs its package.
@pytest.mark.parametrize("name", [name for name in ALL if name != "gradient_boosting"])
def test_weights_survive_a_file(name: str, tmp_path) -> None:
    model = small(name)
    x, y = striped(12)
    x = inputs(name, x)
    if registry.spec(name).fitting == "direct":
        model.fit(model.features(x), y, 0)
    else:
        model.train()(x)  # moves the running statistics away from their start
    inference.save_tensors(tmp_path / "weights.safetensors", model.state_dict())
    facts = {"architecture": name, "classes": list("abcd"), "size": "small", "options": {}}
    again = inference.load_model(facts, tmp_path / "weights.safetensors")
    assert torch.equal(again(x), model.eval()(x))


def test_foreign_or_damaged_weights_are_named(tmp_path) -> None:
    file = tmp_path / "weights.safetensors"
    inference.save_tensors(file, {"head.weight": torch.zeros(2)})
    facts = {"architecture": "neurallnet", "classes": list("abcd"), "size": "small", "options": {}}
    with pytest.raises(LeukoFlowError, match="weights.safetensors"):
        inference.load_model(facts, file)
    file.write_bytes(b"no tensors")
    with pytest.raises(LeukoFlowError, match="weights.safetensors"):
        inference.load_model(facts, file)


def test_bad_names_sizes_and_options_are_named() -> None:
    with pytest.raises(LeukoFlowError, match="nurallnet.*known: .*neurallnet"):
        registry.build("nurallnet")
    with pytest.raises(LeukoFlowError, match="no size 'tiny'; known: paper, small"):
        registry.build("neurallnet", size="tiny")
    with pytest.raises(LeukoFlowError, match="tau"):
        registry.build("neurallnet", tau=3)
    with pytest.raises(LeukoFlowError, match="sca"):
        registry.build("resnet50_hmscam", size="small", modules=["sca"])


def test_every_subset_of_hmscam_modules_has_its_own_parameters() -> None:
    sizes = {"msca": 526_464 + 264_256, "csa": 16_785_408 + 169, "dar": 526_464}
    for modules in ([], ["msca"], ["csa"], ["dar"], ["dar", "msca"]):
        model = registry.build("resnet50_hmscam", modules=modules)
        assert count(model) == RESNET50_TRUNK + 8_196 + sum(sizes[module] for module in modules)


@pytest.mark.parametrize(
    ("options", "attachment"),
    [
        # 2,048 channels: gates of 16 and 32 are 526,464 and 264,256, the spatial gate 169, the head 8,196.
        ({"nl_width": 0.5}, 526_464 + 264_256 + 3 * (2048 * 1024 + 1024) + 1024 * 2048 + 2048 + 169 + 526_464 + 8_196),
        ({"nl_width": 0.125, "reduction_dar": 32}, 18_128_045 - 14_964_736),
        ({"reductions": [16, 16]}, 18_110_957 + 526_464 - 264_256),
        ({"residual": False}, 18_110_957),
        ({"hidden": 512}, 18_110_957 - 8_196 + 2048 * 512 + 512 + 512 * 4 + 4),
    ],
)
def test_hmscam_in_other_sizes(options: dict, attachment: int) -> None:
    with torch.device("meta"):
        model = registry.build("resnet50_hmscam", **options)
    assert count(model) - count(model.trunk) == attachment


def test_without_a_residual_the_modules_alone_are_pooled() -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 3, 64, 64)
    added = small("resnet50_hmscam").eval()
    torch.manual_seed(0)
    alone = registry.build("resnet50_hmscam", 4, "small", residual=False).eval()
    alone.load_state_dict(added.state_dict())
    with torch.inference_mode():
        maps = alone.maps(x)
        torch.testing.assert_close(alone(x), alone.head(alone.attention(maps).mean(dim=(2, 3))))
        torch.testing.assert_close(added(x), alone.head((maps + alone.attention(maps)).mean(dim=(2, 3))))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"nl_width": 2}, "no nl_width 2"), ({"reductions": [16, 0]}, "cannot reduce 256 channels by 0; give 1 to 256")],
)
def test_sizes_of_hmscam_that_cannot_be(options: dict, message: str) -> None:
    with pytest.raises(LeukoFlowError, match=message):
        registry.build("resnet50_hmscam", size="small", **options)


def test_predict_equals_the_model_and_mixed_precision_stays_close() -> None:
    model = small("resnet50_hmscam")
    images = (striped(6)[0] * 255).byte().permute(0, 2, 3, 1)
    logits = inference.predict(model, [images[:4], images[4:]], torch.device("cpu"))
    with torch.inference_mode():
        direct = model.eval()(images.permute(0, 3, 1, 2).float() / 255)
    torch.testing.assert_close(logits, direct, rtol=1e-4, atol=1e-5)
    mixed = inference.predict(model, [images], torch.device("cpu"), "bf16-mixed")
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, direct, rtol=0.1, atol=0.05)


def test_reading_safetensors_gives_what_was_saved(tmp_path) -> None:
    tensors = {"b": torch.arange(6).view(2, 3).t(), "a": torch.ones(2)}
    inference.save_tensors(tmp_path / "x.safetensors", tensors)
    loaded = load_file(tmp_path / "x.safetensors")
    assert all(torch.equal(loaded[name], tensors[name]) for name in tensors)


@pytest.mark.parametrize("side", [16, 32, 48, 63])
@pytest.mark.parametrize("name", ["resnet50_hmscam", "vgg19_mhsa"])
def test_attention_has_more_than_one_position_to_choose_from(name: str, side: int) -> None:
    model = small(name).eval()
    seen = []
    block = model.attention if name == "vgg19_mhsa" else model.attention[1]
    block.register_forward_hook(lambda _, args, made: seen.append(args[0].shape[2:]))
    with torch.inference_mode():
        model(torch.rand(1, 3, side, side))
    assert min(seen[0]) >= 2


def test_vgg19_attends_to_as_many_positions_at_the_earlier_place() -> None:
    torch.manual_seed(0)
    model = registry.build("vgg19_mhsa", 4, "small", mhsa_at="conv4_4").eval()
    seen = []
    model.attention.register_forward_hook(lambda _, args, made: seen.append(args[0].shape[2:]))
    with torch.inference_mode():
        model(torch.rand(1, 3, 20, 20))
    assert min(seen[0]) == 2
