"""The shortcut audit against worked examples, and against shortcuts that were planted."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from smears import drawn_smears

from leukoflow.audits.probe_features import picture_features
from leukoflow.audits.probes import answers
from leukoflow.audits.shortcuts import (
    AUDIT_COLUMNS,
    PANEL,
    audit,
    best_probe,
    explained,
    level_of,
    model_answers,
)
from leukoflow.audits.swap import neutral_table, swap_table
from leukoflow.config.evaluation import Evaluation
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.runs import Run
from leukoflow.report.shortcut_verdict import verdict

CLASSES = ("Benign", "Early", "Pre", "Pro")
RUN = Run("demo", "subtype", "plain", "patient", "net", 0, 42)
SETTINGS = Evaluation(resamples=300)
COUNT = 200


def one_hot(said: np.ndarray) -> list[np.ndarray]:
    return list(np.eye(4)[said] * 0.9 + 0.025)


def predictions(said: np.ndarray, y: np.ndarray) -> pd.DataFrame:
    names = [f"{number}" for number in range(len(y))]
    table = pd.DataFrame({"cohort": "demo", "image_id": names, "group": names, "role": "test", "y": y})
    return table.assign(fold=0, seed=42, perturbation="none", probabilities=one_hot(said))


def told(right: dict[str, np.ndarray], y: np.ndarray) -> pd.DataFrame:
    """Answers of probes, the same on as many validation images."""
    names = [f"{number}" for number in range(len(y))]
    parts = []
    for probe, values in right.items():
        for role in ("test", "validation"):
            ids = names if role == "test" else [f"v{name}" for name in names]
            part = {"fold": 0, "image_id": ids, "group": ids, "role": role, "y": y, "probe": probe, "right": values}
            parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)


def share_right(y: np.ndarray, share: float, start: int = 0) -> np.ndarray:
    """This share of the images right, a whole number of them."""
    order = np.random.default_rng(start).permutation(len(y))
    return order < round(share * len(y))


def answered(y: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.where(right, y, (y + 1) % 4)


def audited(model: float, no_cell: float, colours: float, altered=None) -> dict:
    y = np.arange(COUNT) % 4
    probes = {"background": share_right(y, no_cell, 1), "colour_histogram": share_right(y, colours, 2)}
    table = predictions(answered(y, share_right(y, model, 3)), y)
    return audit({RUN: table}, altered or {}, told(probes, y), CLASSES, SETTINGS)


def test_the_explained_share_is_of_what_lies_above_chance():
    facts = audited(0.95, 0.60, 0.81)
    assert facts["accuracy"] == pytest.approx(0.95) and facts["chance"] == 0.25
    assert facts["no_cell_share"] == pytest.approx((0.60 - 0.25) / (0.95 - 0.25))
    assert facts["colour_share"] == pytest.approx((0.81 - 0.25) / (0.95 - 0.25))
    assert facts["no_cell_share_low"] < facts["no_cell_share"] < facts["no_cell_share_high"]
    assert facts["level"] == "partly"
    text = verdict(facts)
    assert "50\N{NO-BREAK SPACE}% (" in text and "without seeing a cell" in text
    assert set(AUDIT_COLUMNS) == set(facts) | set(PANEL) | {"verdict"}


@pytest.mark.parametrize(
    ("model", "no_cell", "level"),
    [
        (0.9, 0.25, "silent"),
        (0.9, 0.5, "partly"),
        (0.9, 0.88, "explained"),
        (0.3, 0.29, "no skill"),
        (0.8, 1, "explained"),
    ],
)
def test_levels_follow_from_intervals(model, no_cell, level):
    assert audited(model, no_cell, 0.25)["level"] == level


def test_a_share_above_the_models_own_counts_as_all_of_it():
    facts = audited(0.8, 1.0, 0.25)
    assert facts["no_cell_share"] == pytest.approx(0.75 / 0.55)
    assert verdict(facts).startswith("All of this accuracy above chance")


def test_where_the_model_has_nothing_above_chance_there_is_no_share():
    columns = np.column_stack([[0.2, 0.5], np.full((2, 100), 0.2)])
    explanation = explained("focus", columns, 0.25, Evaluation(resamples=100))
    assert np.isnan(explanation.share).all()


def test_a_model_hardly_above_chance_has_no_share():
    """A little skill that may be luck would make any probe explain a thousand percent of it."""
    facts = audited(0.3, 0.9, 0.9)
    assert facts["accuracy"] > facts["chance"] and facts["level"] == "no skill"
    assert np.isnan(
        [facts[f"{kind}_share{end}"] for kind in ("no_cell", "colour") for end in ("", "_low", "_high")]
    ).all()


def test_the_probe_is_chosen_on_validation_images():
    y = np.arange(8) % 4
    said = told({"background": y < 2, "focus": y < 1}, y)
    assert best_probe(said, "no cell") == "background"
    # Right on every test image, but on no validation image: chosen all the same, where validation says the other.
    said.loc[said["probe"] == "focus", "right"] = said["role"] == "test"
    assert best_probe(said, "no cell") == "background"


def test_runs_weigh_alike_and_an_empty_one_is_told():
    y = np.arange(40) % 4
    whole = predictions(y, y)
    other = Run("demo", "subtype", "plain", "patient", "net", 1, 42)
    table = model_answers({RUN: whole, other: whole.iloc[:10].assign(fold=1)})
    assert table.groupby("fold")["weight"].sum().tolist() == pytest.approx([0.5, 0.5])
    with pytest.raises(LeukoFlowError, match="predict again"):
        model_answers({RUN: whole.assign(role="validation")})


def changed(kind: str) -> pd.DataFrame:
    """A model that names the class whose stain it is given, one that never minds it, and one that always says Benign
    after recolouring of any kind."""
    y = np.arange(COUNT) % 4
    parts = [predictions(y, y).assign(level=np.nan, target="")]
    for index, name in enumerate(CLASSES):
        said = {"stain": np.full(COUNT, index), "shape": y, "fragile": np.zeros(COUNT, int)}[kind]
        changed = predictions(said, y).assign(perturbation="stain_swap", level=np.nan)
        parts += [changed.assign(target=f"class:{name}"), changed.assign(target=f"cluster:{name}:{name}-001")]
    blurred = predictions(np.where(y == 0, 1, y), y).assign(perturbation="gaussian_blur", level=2.0, target="")
    return pd.concat([*parts, blurred, blurred.assign(level=1.0)], ignore_index=True)


def test_a_model_that_follows_the_stain_flips_and_one_of_shapes_does_not():
    facts = audited(1.0, 0.25, 0.25, {RUN: changed("stain")})
    assert (facts["swap_flips"], facts["swap_accuracy"], facts["swap_own_accuracy"]) == pytest.approx((1, 0, 1))
    assert (facts["swap_taken"], facts["swap_loss"], facts["swap_drop"]) == pytest.approx((1, 1, 1))
    assert facts["level"] == "explained" and "not measurably above chance" in verdict(facts)
    facts = audited(1.0, 0.25, 0.25, {RUN: changed("shape")})
    assert (facts["swap_flips"], facts["swap_accuracy"], facts["swap_taken"]) == pytest.approx((0, 1, 0))
    assert facts["level"] == "silent"


def test_what_recolouring_does_by_itself_is_no_stain_shortcut():
    facts = audited(1.0, 0.25, 0.25, {RUN: changed("fragile")})
    assert facts["swap_flips"] == pytest.approx(0.75)
    assert facts["swap_loss"] == pytest.approx(0)
    assert facts["level"] == "silent"


def test_swap_and_neutralised_tables():
    table = swap_table({RUN: changed("stain")}, CLASSES, SETTINGS).set_index("to")
    assert list(table.index) == [
        "another class", "own class", *CLASSES, "cluster of another class", "other cluster of the own class",
    ]  # fmt: skip
    assert table.loc["own class", "accuracy"] == pytest.approx(1) and table.loc["Early", "flips"] == pytest.approx(0.75)
    assert table["accuracy_before"].to_numpy() == pytest.approx(1)
    table = neutral_table({RUN: changed("stain")}, SETTINGS)
    assert table["change"].tolist() == ["gaussian_blur"] and table["level"].tolist() == [2.0]
    assert table["difference"].tolist() == pytest.approx([-0.25]) and table["flips"].tolist() == pytest.approx([0.25])


def test_levels_ask_for_measurable_differences():
    facts = {"accuracy_low": 0.8, "chance": 0.25, "no_cell_accuracy_low": 0.26, "no_cell_lead_low": 0.1}
    nothing = dict.fromkeys(("swap_loss_low", "swap_drop_low", "swap_accuracy_low"), np.nan)
    assert level_of(facts | nothing) == "partly"
    assert level_of(facts | nothing | {"no_cell_accuracy_low": 0.25}) == "silent"
    assert level_of(facts | nothing | {"no_cell_lead_low": 0.0}) == "explained"
    lost = {"swap_loss_low": 0.2, "swap_drop_low": 0.2, "swap_accuracy_low": 0.25}
    assert level_of(facts | lost) == "explained"
    assert level_of(facts | lost | {"swap_accuracy_low": 0.3, "no_cell_accuracy_low": 0.2}) == "partly"
    # A control that is helped by the stain it is given proves nothing of the accuracy on the images as they are.
    assert level_of(facts | lost | {"swap_drop_low": 0.0, "no_cell_accuracy_low": 0.2}) == "silent"
    assert level_of(facts | nothing | {"accuracy_low": 0.25}) == "no skill"
    with pytest.raises(KeyError):
        verdict({})


def planted(confounding: float, count: int, patients: int) -> dict:
    """The audit of a model of perfect skill on a synthetic cohort with a planted stain."""
    images, table = drawn_smears(confounding, count, patients)
    features = [picture_features(image) for image in images]
    names = ("background", "colour_statistics", "thumbnail")
    values = {name: np.stack([feature[name] for feature in features]) for name in names}
    rows = {name: row for row, name in enumerate(table["image_id"])}
    said = answers(values, rows, table, 60, 0, 1)
    test = table[table["role"] == "test"]
    predicted = predictions(test["y"].to_numpy(), test["y"].to_numpy()).assign(
        image_id=test["image_id"].to_numpy(), group=test["group"].to_numpy()
    )
    return audit({RUN: predicted}, {}, said, CLASSES, SETTINGS)


def test_the_audit_finds_a_planted_stain_and_is_silent_without_one():
    none, whole = planted(0.0, 120, 40), planted(1.0, 120, 40)
    assert none["level"] == "silent"
    assert whole["level"] in ("partly", "explained") and whole["no_cell_share"] > 0.7 > none["no_cell_share"] + 0.3


@pytest.mark.slow
def test_what_the_audit_finds_rises_with_what_was_planted():
    shares = [planted(confounding, 480, 240)["no_cell_share"] for confounding in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert shares[0] < 0.2 and shares[-1] > 0.9
    assert all(after > before - 0.05 for before, after in pairwise(shares))
