"""Segmentation is trained on canvases of several sources, whatever each of them annotates."""

from pathlib import Path

import numpy as np
import pytest
import torch

from leukoflow.cells.attention_unet import AttentionUNet
from leukoflow.cells.labels import CELL, CYTOPLASM, NUCLEUS, UNKNOWN
from leukoflow.config.segmentation import Segmentation, SegmenterTraining
from leukoflow.core.errors import LeukoFlowError
from leukoflow.training import segmenter
from leukoflow.training.canvases import CELL_PIXELS, Source, batch, canvas, median_diameter
from leukoflow.training.segmenter import SegmenterEpoch, fit_segmenter, new_network, segmentation_loss, targets
from leukoflow.training.stain import PLAIN_SHARE, augment_stain


def discs(count: int, size: int, radius: float, whole: bool = True) -> Source:
    """Pictures of one dark disc with a darker core on a pale ground; without `whole`, cores are not told apart."""
    rng = np.random.default_rng(size)
    y, x = np.mgrid[:size, :size]
    images = np.empty((count, size, size, 3), np.uint8)
    parts = np.zeros((count, size, size), np.uint8)
    for row in range(count):
        centre = size / 2 + rng.uniform(-3, 3, 2)
        distance = np.hypot(y - centre[0], x - centre[1])
        parts[row][distance < radius] = CYTOPLASM
        parts[row][distance < 0.6 * radius] = NUCLEUS
        images[row] = np.array([[235, 230, 240], [190, 150, 200], [90, 50, 130]], np.uint8)[parts[row]]
        if not whole:
            parts[row][parts[row] > 0] = CELL
    return Source(f"discs{size}", images, parts, median_diameter(parts))


def small(training: SegmenterTraining | None = None) -> AttentionUNet:
    return new_network(Segmentation(width=0.0625, training=training or SegmenterTraining()))


def test_median_diameter() -> None:
    assert discs(5, 64, 15.0).diameter == pytest.approx(30, abs=0.7)
    assert median_diameter(np.zeros((2, 32, 32), np.uint8)) > 0


def test_canvases_show_cells_of_every_size_and_masks_lie_on_them() -> None:
    source = discs(6, 64, 15.0)
    diameters = []
    for draw in range(60):
        picture, parts = canvas(source, 96, np.random.default_rng(draw))
        assert picture.shape == (96, 96, 3) and parts.shape == (96, 96)
        # The core is dark wherever the mask says so, but for the interpolated outline.
        assert ((picture[:, :, 1] < 100) != (parts == NUCLEUS)).mean() < 0.06
        diameters.append(median_diameter(parts[None]))
    assert min(diameters) < CELL_PIXELS[0] * 1.6 and max(diameters) > 50


def test_batches_are_the_same_for_the_same_draw_and_mix_sources() -> None:
    sources = [discs(4, 64, 15.0), discs(4, 48, 10.0, whole=False)]
    one, two, other = (batch(sources, 6, 48, 42, "train", 0, step) for step in (3, 3, 4))
    np.testing.assert_array_equal(one[0], two[0])
    assert not np.array_equal(one[0], other[0])
    assert (one[1] == CELL).any() and (one[1] == NUCLEUS).any()


def test_loss_counts_only_what_is_annotated() -> None:
    parts = np.full((1, 8, 8), CELL, np.uint8)
    parts[0, :4] = 0
    parts[0, 7] = UNKNOWN
    truth, weight = targets(parts)
    assert weight[0, 0].sum() == 56 and weight[0, 1].sum() == 32
    logits = torch.randn(1, 2, 8, 8)
    changed = logits.clone()
    changed[0, :, 7] += 5  # not annotated at all
    changed[0, 1, 4:] += 5  # cells whose nucleus is not told apart
    torch.testing.assert_close(segmentation_loss(logits, truth, weight), segmentation_loss(changed, truth, weight))
    perfect = torch.where(truth > 0, 30.0, -30.0)
    assert segmentation_loss(perfect, truth, weight) < 1e-3 < segmentation_loss(-perfect, truth, weight)


def test_loss_is_cross_entropy_and_dice() -> None:
    generator = torch.Generator().manual_seed(1)
    logits, truth = torch.randn(2, 2, 5, 5, generator=generator), torch.rand(2, 2, 5, 5, generator=generator).round()
    loss = segmentation_loss(logits, truth, torch.ones_like(truth))
    expected = 0.0
    for part in range(2):
        p, t = torch.sigmoid(logits[:, part]).double().flatten(), truth[:, part].double().flatten()
        entropy = -(t * p.log() + (1 - t) * (1 - p).log()).mean()
        expected += float(entropy + 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)) / 2
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_stain_changes_colours_not_shapes() -> None:
    source = discs(4, 64, 15.0)
    x = torch.from_numpy(source.images).permute(0, 3, 1, 2).float().div(255).repeat(32, 1, 1, 1)
    changed = augment_stain(x, torch.Generator().manual_seed(0))
    assert changed.shape == x.shape and changed.min() >= 0 and changed.max() <= 1
    same = (changed == x).flatten(1).all(dim=1).float().mean()
    assert abs(same - PLAIN_SHARE) < 0.1
    assert torch.equal(changed, augment_stain(x, torch.Generator().manual_seed(0)))
    # Cores stay darker than the ground.
    core, ground = changed[:, :, 32, 32].mean(dim=1), changed[:, :, 2, 2].mean(dim=1)
    assert (core < ground).float().mean() > 0.97


def test_it_learns_goes_on_after_a_stop_and_ends_the_same(tmp_path: Path) -> None:
    sources = [discs(8, 64, 15.0), discs(8, 48, 10.0, whole=False)]
    training = SegmenterTraining(epochs=4, steps=20, batch_size=8, crop=32, learning_rate=3e-3, seed=1)
    whole = fit_segmenter(small(training), sources, sources, training, tmp_path / "whole.safetensors")
    assert whole.history[-1].validation_cell_dice > 0.85 > whole.history[0].validation_cell_dice
    stopped = tmp_path / "stopped.safetensors"

    class Stop(Exception):
        pass

    from leukoflow.training import checkpoint

    saved = checkpoint.save

    def save_and_stop(*arguments: object) -> None:
        saved(*arguments)  # type: ignore[arg-type]
        raise Stop

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stop):
        patch.setattr(checkpoint, "save", save_and_stop)
        fit_segmenter(small(training), sources, sources, training, stopped)
    resumed = fit_segmenter(small(training), sources, sources, training, stopped)
    assert len(resumed.history) == 4
    for name, value in whole.weights.items():
        assert torch.equal(value, resumed.weights[name]), name


@pytest.mark.parametrize("role", ["training", "validation"])
def test_masks_without_any_cell_are_an_error(tmp_path: Path, role: str) -> None:
    """A network that finds nothing would agree with them, and the Dice that chooses the epoch is undefined."""
    full, empty = discs(3, 32, 8.0), discs(3, 32, 8.0)
    empty.parts[:] = 0
    train, validation = ([empty], [full]) if role == "training" else ([full], [empty])
    with pytest.raises(LeukoFlowError, match=f"no mask of the {role} role holds a cell"):
        fit_segmenter(small(), train, validation, SegmenterTraining(epochs=1), tmp_path / "state")


@pytest.mark.parametrize("dice", [1.0, float("nan")])
def test_of_equal_dice_the_lowest_loss_is_the_best_and_patience_sees_it(dice: float) -> None:
    losses = [0.073, 0.03, 0.0075, 0.02, 0.02]
    history = [SegmenterEpoch(i, 0, loss, dice, dice, 0, 0) for i, loss in enumerate(losses)]
    training = SegmenterTraining(epochs=9, patience=2)
    assert [segmenter._best(history[:n]) for n in range(1, 6)] == [0, 1, 2, 2, 2]
    assert [segmenter._finished(training, history[:n]) for n in range(1, 6)] == [False] * 4 + [True]


def test_an_epoch_without_any_dice_is_not_the_best() -> None:
    nothing = float("nan")
    history = [SegmenterEpoch(0, 0, 0.1, nothing, nothing, 0, 0), SegmenterEpoch(1, 0, 0.9, 0.2, nothing, 0, 0)]
    assert segmenter._best(history) == 1


def test_no_masks_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LeukoFlowError, match="needs masks"):
        fit_segmenter(small(), [], [], SegmenterTraining(), tmp_path / "x.safetensors")
