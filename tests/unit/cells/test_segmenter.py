"""Segmenters as they are written and loaded."""

from pathlib import Path

import pytest
import torch

from leukoflow.cells.attention_unet import AttentionUNet
from leukoflow.cells.segmenter import load_segmenter, network_of
from leukoflow.core.errors import LeukoFlowError
from leukoflow.models.inference import save_tensors


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def saved(folder: Path, gates: str) -> tuple[AttentionUNet, Path]:
    torch.manual_seed(0)
    network, file = AttentionUNet(width=0.0625, gates=gates).eval(), folder / f"{gates}.safetensors"
    save_tensors(file, network.state_dict())
    return network, file


def loaded(description: dict, file: Path, images: torch.Tensor) -> torch.Tensor:
    network = load_segmenter(description, file)
    with torch.no_grad():
        return network(images.to(next(network.parameters()).device)).cpu()


@pytest.mark.parametrize("gates", ["quarter", "half", "full", "none"])
def test_a_segmenter_comes_back_with_the_gates_that_it_was_trained_with(
    gates: str, images: torch.Tensor, tmp_path: Path
) -> None:
    network, file = saved(tmp_path, gates)
    with torch.no_grad():
        wanted = network(images)
    torch.testing.assert_close(loaded({"width": 0.0625, "gates": gates}, file, images), wanted, atol=1e-4, rtol=1e-4)


def test_one_that_does_not_name_its_gates_has_those_of_a_quarter(images: torch.Tensor, tmp_path: Path) -> None:
    network, file = saved(tmp_path, "quarter")
    with torch.no_grad():
        wanted = network(images)
    torch.testing.assert_close(loaded({"width": 0.0625}, file, images), wanted, atol=1e-4, rtol=1e-4)
    assert network_of({"method": "unet", "width": 1}) == "gates C/4"


def test_an_adapted_network_says_how_many_images_it_has_learnt_from() -> None:
    facts = {"cohort": "away", "images": 80, "used": 1, "doubtful_pixels": 0.3}
    named = network_of({"method": "unet", "gates": "none", "adapted": facts})
    assert named == "no gates, adapted to away (1 of 80 images, transductive)"
    assert network_of({"method": "threshold", "adapted": facts}) == ""


def test_weights_of_other_gates_are_an_error(tmp_path: Path) -> None:
    _, file = saved(tmp_path, "half")
    with pytest.raises(LeukoFlowError, match="half.safetensors: these weights cannot be loaded"):
        load_segmenter({"width": 0.0625, "gates": "none"}, file)
