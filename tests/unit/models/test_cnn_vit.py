"""The claims of the CNN-ViT paper that its own counts contradict, as switches."""

import pytest
import torch

from leukoflow.config.inputs import PRESETS
from leukoflow.core.errors import LeukoFlowError
from leukoflow.models import registry
from leukoflow.models.cnn_vit import LEAST_SIDE, PATIENCE, CNNViT, TransformerBlock


def build(name: str = "customcnn_vit", **options: object) -> CNNViT:
    torch.manual_seed(0)
    model = registry.build(name, 4, "small", **options)
    assert isinstance(model, CNNViT)
    return model


def test_focus_is_nothing_where_attention_is_even_and_all_where_it_has_one_aim() -> None:
    torch.manual_seed(0)
    for scale, expected in ((0.0, 0.0), (1e4, 1.0)):
        block = TransformerBlock(16, 2, 8, 0.0, pruning=0.5).train()
        with torch.no_grad():
            block.query.weight.mul_(scale)
            block.query.bias.mul_(scale)
        for _ in range(3):
            block(torch.randn(4, 9, 16))
        assert float(block.focus) == pytest.approx(expected, abs=0.02)
        assert int(block.batches) == 3


def test_a_block_without_focus_is_left_out_after_its_patience_and_says_so_in_its_weights() -> None:
    model = build(pruning=0.5).train()
    first, second = model.blocks
    with torch.no_grad():
        first.query.weight.zero_()
        first.query.bias.zero_()
        second.query.weight.mul_(1e5)
    images = torch.rand(2, 3, 32, 32)
    for batch in range(PATIENCE):
        assert not first.pruned(), batch
        model(images)
    assert first.pruned() and not second.pruned()
    model.eval()
    tokens = torch.randn(2, 4, first.channels)
    assert first(tokens) is tokens
    loaded = build(pruning=0.5).eval()
    loaded.load_state_dict(model.state_dict())
    assert torch.equal(loaded(images), model(images))


def test_without_pruning_there_is_nothing_to_save() -> None:
    assert not [name for name in build().state_dict() if "focus" in name or "batches" in name]


def test_a_partner_shares_blocks_and_head() -> None:
    alone = [build(name) for name in ("resnet50_vit", "inceptionv3_vit")]
    pair = build("resnet50_vit", partner="inceptionv3")
    sizes = [sum(parameter.numel() for parameter in model.parameters()) for model in (*alone, pair)]
    shared = sum(parameter.numel() for module in (pair.blocks, pair.head) for parameter in module.parameters())
    assert sizes[2] == sizes[0] + sizes[1] - shared
    pair.eval()
    x = torch.rand(2, 3, 112, 112)
    # Each backbone has its own scaling.
    pair.standardise_partner.set(PRESETS["symmetric"])
    # Either trunk by itself gives one half of the logits.
    first = pair._logits(pair.trunk(pair.standardise(x)))
    other = pair._logits(pair.partner(2 * x - 1))
    torch.testing.assert_close(pair(x), (first + other) / 2)
    assert not torch.allclose(first, other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"partner": "efficientnetb3"}, "efficientnetb3 makes 192 channels and resnet50 256; they cannot share blocks"),
        ({"partner": "vgg19"}, "there is no backbone 'vgg19'; known: customcnn, resnet50, efficientnetb3, inceptionv3"),
    ],
)
def test_partners_that_do_not_fit(options: dict, message: str) -> None:
    with pytest.raises(LeukoFlowError, match=message):
        build("resnet50_vit", **options)


def positions(name: str, side: int) -> list[int]:
    """Sides of the maps of trunk and partner."""
    with torch.inference_mode():
        model = build(name, partner="" if name != "resnet50_vit" else "inceptionv3").eval()
        x = torch.rand(1, 3, side, side + 3)
        maps = [model.maps(x)] + ([model.maps(x, partner=True)] if model.partner is not None else [])
    return [min(feature_map.shape[2:]) for feature_map in maps]


@pytest.mark.parametrize(
    "name", ["customcnn_vit", "resnet50_vit", "efficientnetb3_vit", "inceptionv3_vit", "efficientnetlite0_vit"]
)
@pytest.mark.parametrize("side", [8, 31, 48, 96, 106])
def test_there_is_always_more_than_one_token(name: str, side: int) -> None:
    """Over one token the softmax is 1, and attention is a linear map."""
    assert min(positions(name, side)) >= 2


def test_pictures_are_enlarged_no_further_than_a_second_token_takes() -> None:
    for backbone, side in LEAST_SIDE.items():
        with torch.inference_mode():
            model = build(f"{backbone}_vit").eval()
            assert min(model.maps(torch.rand(1, 3, side, side)).shape[2:]) == 2
            assert min(model.trunk(torch.rand(1, 3, side - 1, side - 1)).shape[2:]) == 1


def test_shared_blocks_are_one() -> None:
    whole, shared = build(), build(shared_blocks=True)
    block = sum(parameter.numel() for parameter in whole.blocks[0].parameters())
    count = [sum(parameter.numel() for parameter in model.parameters()) for model in (whole, shared)]
    assert count[0] - count[1] == block
    assert shared.blocks[0] is shared.blocks[1]


TEXT = {"projection": 256, "positions": True, "hidden": 256, "attention_dropout": 0.2, "flatten": True}
TRUNKS = {"customcnn": 388_416, "resnet50": 23_508_032, "efficientnetb3": 10_696_232, "inceptionv3": 21_785_568}


def parameters(name: str, **options: object) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in registry.build(f"{name}_vit", 8, **options).parameters())


@pytest.mark.parametrize(
    ("backbone", "channels", "side", "expected"),
    [
        ("customcnn", 256, 14, 5_378_120), ("resnet50", 2048, 7, 28_617_800),
        ("efficientnetb3", 1536, 7, 15_674_928), ("inceptionv3", 2048, 5, 26_840_040),
    ],
)  # fmt: skip
def test_the_variant_of_the_text_by_hand(backbone: str, channels: int, side: int, expected: int) -> None:
    wide = 256
    attention = 3 * (wide * 8 * wide + 8 * wide) + 8 * wide * wide + wide
    network = wide * 256 + 256 + 256 * wide + wide
    norms = 2 * 2 * wide
    head = side * side * wide * 8 + 8
    by_hand = TRUNKS[backbone] + channels * wide + wide + side * side * wide
    by_hand += 2 * (attention + network + norms) + head
    assert parameters(backbone, **TEXT) == by_hand == expected


def test_a_network_of_256_alone_is_what_the_printed_count_refutes() -> None:
    """294,260,104 in Keras's bookkeeping, which counts 26,560 biases and 53,120 statistics of the trunk; the paper
    prints 359,287,688."""
    assert parameters("resnet50", hidden=256) + 26_560 + 53_120 == 294_260_104
    assert parameters("resnet50") + 26_560 + 53_120 == 359_287_688


def test_positions_tell_places_apart_and_a_flattened_head_reads_each() -> None:
    """Blocks and mean alone do not know where a token was: turned by a half, the maps give the same logits."""
    maps = torch.randn(2, 64, 14, 14)
    turned = maps.flip(2, 3)
    for options, same in (({}, True), ({"positions": True}, False), ({"flatten": True}, False)):
        model = build(projection=32, **options).eval()
        close = torch.allclose(model._logits(maps), model._logits(turned), atol=1e-5)
        assert close == same, options


def test_attention_dropout_is_for_training() -> None:
    torch.manual_seed(0)
    block = TransformerBlock(16, 2, 8, 0.0, attention_dropout=0.5)
    tokens = torch.randn(2, 9, 16)
    block.train()
    assert not torch.equal(block(tokens), block(tokens))
    block.eval()
    assert torch.equal(block(tokens), block(tokens))


def test_maps_of_other_sizes_are_brought_to_the_places_there_are() -> None:
    model = build(**{**TEXT, "projection": 32, "hidden": 16}).eval()
    seen = []
    hook = model.blocks[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[1:]))
    for side in (64, 224):
        assert model(torch.rand(1, 3, side, side)).shape == (1, 4)
    hook.remove()
    assert seen == [(196, 32), (196, 32)]


def test_flattened_or_fused() -> None:
    with pytest.raises(LeukoFlowError, match="flatten and fusion are two kinds of head; choose one"):
        build(flatten=True, fusion=True)
    # The fusion of projected tokens holds maps and tokens of their own widths.
    assert build(fusion=True, projection=32).fusion.normalized_shape == (64 + 2 * 32,)
