"""Schedules, stopping, weights and orders, against their definitions and PyTorch's own schedulers."""

import numpy as np
import pytest
import torch

from leukoflow.config.training import Schedule, Stage, Training
from leukoflow.training import batches, recipe


def history(losses: list[float], accuracies: list[float] | None = None) -> list[recipe.Epoch]:
    values = accuracies or [0.0] * len(losses)
    pairs = zip(losses, values, strict=True)
    return [recipe.Epoch(i, 0, 0, loss, accuracy, 0, 0, 0) for i, (loss, accuracy) in enumerate(pairs)]


def torch_factors(make, epochs: int, losses: list[float] | None = None) -> list[float]:
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimiser)
    factors = []
    for epoch in range(epochs):
        factors.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step(*([losses[epoch]] if losses else []))
    return factors


def test_exponential_falls_tenfold_in_a_decade() -> None:
    schedule = Schedule(kind="exponential", decade=20)
    assert recipe.rate_factor(schedule, 50, []) == 1
    assert recipe.rate_factor(schedule, 50, history([1.0] * 20)) == pytest.approx(0.1)
    expected = torch_factors(lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 10 ** (-1 / 20)), 6)
    assert [recipe.rate_factor(schedule, 50, history([1.0] * n)) for n in range(6)] == pytest.approx(expected)


def test_cosine_equals_pytorchs() -> None:
    expected = torch_factors(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 8), 8)
    ours = [recipe.rate_factor(Schedule(kind="cosine"), 8, history([1.0] * n)) for n in range(8)]
    assert ours == pytest.approx(expected)


def test_warm_up_rises_and_then_the_schedule_goes_on() -> None:
    schedule = Schedule(kind="cosine", warmup=3)
    ours = [recipe.rate_factor(schedule, 8, history([1.0] * n)) for n in range(8)]
    plain = [recipe.rate_factor(Schedule(kind="cosine"), 8, history([1.0] * n)) for n in range(8)]
    assert ours[:3] == [0.25, 0.5, 0.75] and ours[3:] == plain[3:]


@pytest.mark.parametrize("seed", range(5))
def test_plateau_equals_pytorchs(seed: int) -> None:
    losses = np.random.default_rng(seed).choice([0.5, 0.6, 0.7, 0.4, 0.3, 0.8], 30).tolist()
    expected = torch_factors(
        lambda o: torch.optim.lr_scheduler.ReduceLROnPlateau(o, factor=0.5, patience=2, threshold=0.0), 30, losses
    )
    schedule = Schedule(kind="plateau", factor=0.5, patience=2)
    ours = [recipe.rate_factor(schedule, 30, history(losses[:n])) for n in range(30)]
    assert ours == pytest.approx(expected)


def test_plateau_of_the_training_loss_does_not_look_at_validation() -> None:
    falling = np.linspace(1, 0.1, 12)
    epochs = [recipe.Epoch(i, 0.5, 0, loss, 0, 0, 0, 0) for i, loss in enumerate(falling)]
    schedule = Schedule(kind="plateau", factor=0.1, patience=5, plateau_of="train")
    assert [recipe.rate_factor(schedule, 12, epochs[:n]) for n in (0, 6, 7, 12)] == pytest.approx([1, 1, 0.1, 0.1])
    assert recipe.rate_factor(schedule.model_copy(update={"plateau_of": "validation"}), 12, epochs) == 1


@pytest.mark.parametrize(
    ("name", "step"),
    # First steps from a zero state with gradient g: g / (sqrt((1 - 0.99) g^2) + eps) is 10; Adamax: g / (|g| + eps).
    [("rmsprop", 10), ("adamax", 1), ("adam", 1), ("adamw", 1)],
)
def test_the_first_step_of_each_optimiser_is_that_of_its_rule(name: str, step: float) -> None:
    model = torch.nn.Linear(3, 1, bias=False)
    before = model.weight.detach().clone()
    optimiser = recipe.optimiser(model, (), Training(optimiser=name, learning_rate=0.01, weight_decay=0))
    model.weight.grad = torch.tensor([[0.5, -2.0, 3.0]])
    optimiser.step()
    moved = (model.weight - before).detach()
    torch.testing.assert_close(moved, -0.01 * step * torch.tensor([[1.0, -1, 1]]), rtol=1e-4, atol=1e-6)


def test_stopping_waits_for_patience_and_ties_go_to_the_earlier_epoch() -> None:
    by_accuracy = Training(epochs=10, patience=2, monitor="accuracy")
    assert not recipe.finished(by_accuracy, [])
    assert recipe.best_epoch(by_accuracy, history([1, 1, 1], [0.5, 0.8, 0.8])) == 1
    assert not recipe.finished(by_accuracy, history([1, 1, 1], [0.5, 0.8, 0.8]))
    assert recipe.finished(by_accuracy, history([1, 1, 1, 1], [0.5, 0.8, 0.8, 0.7]))
    by_loss = Training(epochs=3, patience=9, monitor="loss")
    assert recipe.best_epoch(by_loss, history([0.3, 0.1, 0.2])) == 1
    assert recipe.finished(by_loss, history([0.3, 0.1, 0.2]))


CEILING = history([0.4, 0.073, 0.05, 0.03, 0.02, 0.011, 0.0075], [0.9, 1, 1, 1, 1, 1, 1])
"""Accuracy at its ceiling from the second epoch on, while the loss falls tenfold."""


def test_at_the_ceiling_of_accuracy_the_loss_decides_and_training_goes_on() -> None:
    training = Training(epochs=50, patience=5)
    kept = [recipe.best_epoch(training, CEILING[:n]) for n in range(1, 8)]
    assert kept == [0, 1, 2, 3, 4, 5, 6]
    assert not any(recipe.finished(training, CEILING[:n]) for n in range(1, 8))
    words = recipe.choice(training, CEILING)
    assert words == (
        "highest validation accuracy (1.0000), reached in 6 epochs; of these the lowest validation loss (0.0075)"
    )
    # Once the loss gets no lower, patience counts; a lower loss at a lower accuracy is no gain.
    worse = [*CEILING, *history([0.0076, 0.001, 0.01, 0.01, 0.01], [1, 0.99, 1, 1, 1])]
    assert recipe.best_epoch(training, worse) == 6
    assert [recipe.finished(training, worse[:n]) for n in (11, 12)] == [False, True]


def test_ties_below_the_ceiling_and_ties_in_the_loss() -> None:
    assert recipe.best_epoch(Training(), history([0.5, 0.4, 0.6], [0.8, 0.8, 0.8])) == 1
    by_loss = Training(monitor="loss")
    assert recipe.best_epoch(by_loss, history([0.5, 0.2, 0.2, 0.2], [0.9, 0.7, 0.8, 0.8])) == 2
    assert recipe.choice(by_loss, history([0.5, 0.2])) == "lowest validation loss (0.2)"


@pytest.mark.parametrize("monitor", ["accuracy", "loss"])
@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_an_epoch_without_a_finite_loss_is_never_the_best(monitor: str, broken: float) -> None:
    training = Training(monitor=monitor, patience=2, epochs=9)
    assert recipe.best_epoch(training, history([broken, 0.9, broken], [0.9, 0.3, 0.9])) == 1
    assert recipe.finished(training, history([broken, 0.9, broken, broken], [0.9, 0.3, 0.9, 0.9]))


def test_class_weights_are_those_of_the_formula() -> None:
    y = np.array([0, 0, 0, 1, 2, 2])
    np.testing.assert_allclose(batches.class_weights(y), [6 / 9, 6 / 3, 6 / 6])
    np.testing.assert_allclose(batches.class_weights(y, 4), [6 / 9, 6 / 3, 6 / 6, 0])


def test_every_image_once_an_epoch_and_another_order_each_time() -> None:
    y = np.arange(33) % 4
    training = Training(batch_size=8)
    first, second = (batches.shuffled(y, training, 1, epoch) for epoch in (0, 1))
    assert sorted(np.concatenate(first)) == list(range(33))
    assert [len(batch) for batch in first] == [8, 8, 8, 9]
    assert not np.array_equal(np.concatenate(first), np.concatenate(second))
    again = batches.shuffled(y, training, 1, 0)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_sampling_evens_out_the_classes() -> None:
    y = np.array([0] * 900 + [1] * 90 + [2] * 10)
    drawn = np.concatenate(
        [np.concatenate(batches.shuffled(y, Training(weighted_sampling=True), 1, e)) for e in range(10)]
    )
    shares = np.bincount(y[drawn]) / len(drawn)
    np.testing.assert_allclose(shares, 1 / 3, atol=0.02)


def test_backbone_has_its_own_rate() -> None:
    model = torch.nn.ModuleDict({"trunk": torch.nn.Linear(2, 2), "head": torch.nn.Linear(2, 2)})
    training = Training(learning_rate=1e-2, backbone_learning_rate=1e-4, optimiser="adamw", weight_decay=0.1)
    optimiser = recipe.optimiser(model, ("trunk.",), training)
    rates = {id(parameter): group["lr"] for group in optimiser.param_groups for parameter in group["params"]}
    assert {rates[id(parameter)] for parameter in model["trunk"].parameters()} == {1e-4}
    assert {rates[id(parameter)] for parameter in model["head"].parameters()} == {1e-2}


@pytest.mark.parametrize(
    ("settings", "decay"),
    [
        ({"optimiser": "adamw"}, 0.01),
        ({"optimiser": "adamw", "weight_decay": 0}, 0),
        ({"optimiser": "adamw", "weight_decay": 0.004}, 0.004),
        ({"optimiser": "adam"}, 0),
        ({"optimiser": "sgd"}, 0),
        ({"optimiser": "rmsprop"}, 0),
        ({"optimiser": "adamax"}, 0),
    ],
)
def test_adamw_without_a_word_has_the_customary_decay(settings: dict, decay: float) -> None:
    """With a decay of 0 it would be Adam."""
    model = torch.nn.Linear(2, 2)
    optimiser = recipe.optimiser(model, (), Training(**settings))
    assert [group["weight_decay"] for group in optimiser.param_groups] == [decay]


def test_stages_and_frozen_epochs_by_epoch() -> None:
    stages = (
        {"epoch": 0, "train": "head"},
        {"epoch": 2, "train": "last", "trunk_rate": 0.1},
        {"epoch": 4, "train": "all"},
    )
    training = Training(epochs=6, stages=stages)
    assert [recipe.stage(training, epoch).train for epoch in range(6)] == ["head"] * 2 + ["last"] * 2 + ["all"] * 2
    assert [recipe.stage(training, epoch).trunk_rate for epoch in (1, 2, 5)] == [1, 0.1, 1]
    first = Training(epochs=3, frozen_epochs=2)
    assert [recipe.stage(first, epoch) for epoch in range(3)] == [
        *(Stage(epoch=0, train=layers) for layers in ("last", "last", "all"))
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stages": [{"epoch": 1, "train": "all"}]}, "their epochs must rise from 0, not 1"),
        (
            {"stages": [{"epoch": 0, "train": "head"}, {"epoch": 0, "train": "all"}]},
            "their epochs must rise from 0, not 0, 0",
        ),
        ({"stages": [{"epoch": 0, "train": "head"}], "frozen_epochs": 2}, "frozen_epochs and stages say the same"),
        (
            {"stages": [{"epoch": 0, "train": "head"}, {"epoch": 9, "train": "all"}]},
            "the last one begins at epoch 9 of 6",
        ),
    ],
)
def test_stages_that_cannot_be(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Training(epochs=6, **settings)
