"""Scores of heat maps: worked by hand, against scipy, and on networks whose reasons are known."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.runs import Run
from leukoflow.explain.sample import sample
from leukoflow.explain.scores import (
    SQUARES,
    blurred,
    deletion_insertion,
    fitted,
    rank_correlation,
    ranks,
    scramble,
    share_inside,
)

SIDE = 28


class Counter(nn.Module):
    """Class 1 by the light in the upper left quarter, and by nothing else."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        light = 20 * x[:, :, : SIDE // 2, : SIDE // 2].mean(dim=(1, 2, 3))
        return torch.stack([torch.full_like(light, 4.0), light], dim=1)


def quarter(row: int, column: int) -> torch.Tensor:
    heat, half = torch.zeros(1, SIDE, SIDE), SIDE // 2
    heat[:, row * half : (row + 1) * half, column * half : (column + 1) * half] = 1
    return heat


def test_share_of_the_heat_inside() -> None:
    heat = torch.tensor([[[1.0, 3.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]])
    inside = torch.tensor([[0.0, 1.0], [1.0, 0.5]]).expand(3, 2, 2)
    shares = share_inside(heat, inside)
    assert shares[0] == 0.75 and shares[1] == 0.625 and shares[2].isnan()


def test_regions_are_fitted_to_larger_and_smaller_pictures() -> None:
    inside = torch.zeros(1, 4, 4, dtype=torch.bool)
    inside[0, :2, :3] = True
    assert torch.equal(fitted(inside, (2, 2))[0], torch.tensor([[1.0, 0.5], [0.0, 0.0]]))
    assert fitted(inside, (8, 8)).sum() == 24
    assert fitted(inside, (8, 8)).mean() == fitted(inside, (4, 4)).mean() == inside.float().mean()


def test_blur_keeps_colours_and_takes_shapes() -> None:
    images = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    flat = blurred(images)
    assert flat.std() < 0.3 * images.std() and (flat.mean(dim=(2, 3)) - images.mean(dim=(2, 3))).abs().max() < 0.03
    torch.testing.assert_close(blurred(torch.full((1, 3, 16, 16), 0.3)), torch.full((1, 3, 16, 16), 0.3))


def test_squares_are_ranked_by_heat_and_ties_by_chance() -> None:
    heat = torch.linspace(1, 0, SIDE)[None, :, None].expand(2, SIDE, SIDE)
    ranking = ranks(heat, 0)
    assert (ranking.flatten(1).sort(dim=1).values == torch.arange(SQUARES**2)).all()
    assert (ranking[0].max(dim=1).values < SQUARES * (torch.arange(SQUARES) + 1)).all()
    flat = ranks(torch.ones(1, SIDE, SIDE), 0)
    assert not torch.equal(flat, ranks(torch.ones(1, SIDE, SIDE), 1))
    assert abs(np.corrcoef(flat.flatten(), np.arange(SQUARES**2))[0, 1]) < 0.2


def test_deletion_and_insertion_of_a_network_whose_reason_is_known() -> None:
    """With four steps each quarter goes at once: where it is the reason, the answer falls, or comes, with it."""
    model, image, black = Counter(), torch.ones(1, 3, SIDE, SIDE), torch.zeros(1, 3, SIDE, SIDE)
    one = torch.ones(1, dtype=torch.int64)
    sure, none = (float(model(picture).softmax(dim=1)[0, 1]) for picture in (image, black))
    deletion, insertion = deletion_insertion(model, image, black, quarter(0, 0), one, 4, 0)
    assert deletion.item() == pytest.approx((sure / 2 + 3.5 * none) / 4)
    assert insertion.item() == pytest.approx((none / 2 + 3.5 * sure) / 4)
    last = 1 - 0.5 * quarter(0, 1) - quarter(0, 0)  # the reason goes last
    deletion, insertion = deletion_insertion(model, image, black, last, one, 4, 0)
    assert deletion.item() == pytest.approx((3.5 * sure + none / 2) / 4)
    assert insertion.item() == pytest.approx((3.5 * none + sure / 2) / 4)


def test_many_images_are_scored_as_each_alone() -> None:
    random = torch.Generator().manual_seed(1)
    images, heat = torch.rand(3, 3, SIDE, SIDE, generator=random), torch.rand(3, SIDE, SIDE, generator=random)
    classes = torch.tensor([0, 1, 1])
    together = deletion_insertion(Counter(), images, blurred(images), heat, classes, 5, 0)
    for row in range(3):
        rows = slice(row, row + 1)
        alone = deletion_insertion(Counter(), images[rows], blurred(images[rows]), heat[rows], classes[rows], 5, 0)
        for one, other in zip(together, alone, strict=True):
            torch.testing.assert_close(one[rows], other)


def test_rank_correlation_is_spearmans() -> None:
    random = torch.Generator().manual_seed(2)
    one, other = torch.rand(4, SIDE, SIDE, generator=random), torch.rand(4, SIDE, SIDE, generator=random)
    other[1] = one[1] ** 2
    other[2] = 1 - one[2]
    correlations = rank_correlation(one, other)
    for row in range(4):
        rounded = (maps[row].double().numpy().round(6).ravel() for maps in (one, other))
        assert correlations[row] == pytest.approx(spearmanr(*rounded).statistic)
    assert correlations[1] == pytest.approx(1) and correlations[2] == pytest.approx(-1)
    flat = torch.zeros(4, SIDE, SIDE)
    assert (rank_correlation(one, flat) == 0).all() and np.isnan(rank_correlation(flat, one)).all()


def small() -> nn.Sequential:
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)
    return nn.Sequential(*layers).eval()


def test_scrambled_weights_are_the_same_ones_elsewhere() -> None:
    images = torch.rand(6, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(3))
    for head_only in (True, False):
        model, before, again = small(), small().state_dict(), small()
        scramble(model, images, 0, head_only)
        scramble(again, images, 0, head_only)
        after = model.state_dict()
        assert all(torch.equal(value, again.state_dict()[key]) for key, value in after.items())
        for key in ("0.weight", "5.weight", "5.bias"):
            assert torch.equal(after[key].flatten().sort().values, before[key].flatten().sort().values)
            assert torch.equal(after[key], before[key]) == (head_only and key == "0.weight")
        assert not any(layer.training for layer in model.modules())
        if not head_only:
            maps = model[0](images)
            torch.testing.assert_close(after["1.running_mean"], maps.mean(dim=(0, 2, 3)))
            torch.testing.assert_close(after["1.running_var"], maps.transpose(0, 1).flatten(1).var(dim=1))


RUN = Run("demo", "subtype", "plain", "image", "net", 0, 42)


def predictions(wrong: dict[int, int], images: int = 40) -> pd.DataFrame:
    """`images` test images of each of two classes, so many of each predicted wrong; and rows that do not count."""
    rows = []
    for y in (0, 1):
        for number in range(images):
            label = 1 - y if number < wrong[y] else y
            chances = [0.9, 0.1] if label == 0 else [0.1, 0.9]
            rows.append((f"{y}-{number:02d}", None if number % 2 else "group", y, chances))
    table = pd.DataFrame(rows, columns=["image_id", "group", "y", "probabilities"])
    table = table.assign(role="test", perturbation="none", cohort="demo")
    others = [table.assign(role="validation"), table.assign(perturbation="blur"), table.assign(y=-1)]
    others.append(table.assign(cohort="away"))
    others = [part.assign(image_id="other" + part["image_id"]) for part in others]
    return pd.concat([table, *others], ignore_index=True)


def test_sample_is_balanced_over_classes_with_up_to_half_wrong() -> None:
    chosen = sample(RUN, predictions({0: 30, 1: 2}), 20, 2)
    assert chosen["image_id"].is_unique and not chosen["image_id"].str.startswith("other").any()
    assert chosen["y"].value_counts().to_dict() == {0: 10, 1: 10}
    assert chosen[chosen["predicted"] != chosen["y"]]["y"].value_counts().to_dict() == {0: 5, 1: 2}
    assert chosen["group"].notna().all() and chosen["image_id"].is_monotonic_increasing
    assert chosen.equals(sample(RUN, predictions({0: 30, 1: 2}), 20, 2))
    # Hardly any is right: the wrong ones fill the places.
    chosen = sample(RUN, predictions({0: 38, 1: 40}), 20, 2)
    assert (chosen["predicted"] == chosen["y"]).sum() == 2 and len(chosen) == 20


def test_models_that_are_right_alike_are_shown_on_the_same_images() -> None:
    one = sample(RUN, predictions({0: 1, 1: 0}), 20, 2)
    other = sample(Run("demo", "subtype", "plain", "image", "other", 0, 42), predictions({0: 0, 1: 3}), 20, 2)
    assert len(set(one["image_id"]) & set(other["image_id"])) >= 15


def test_no_test_image_is_an_error() -> None:
    with pytest.raises(LeukoFlowError, match="no predictions of role test to explain"):
        sample(RUN, predictions({0: 0, 1: 0}).assign(role="validation"), 20, 2)
