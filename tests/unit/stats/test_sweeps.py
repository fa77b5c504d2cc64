"""Sweeps: the choice looks at validation images alone."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss

from leukoflow.core.files import write_table
from leukoflow.core.inputs import Inputs
from leukoflow.core.runs import Run
from leukoflow.stats.sweeps import KEYS, measured, sweeps_table, with_choice


def predictions(seed: int, right: dict[str, float], n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    parts = []
    for role, share in right.items():
        y = rng.choice([-1, 0, 1, 2], n)
        p = rng.dirichlet([1, 1, 1], n)
        hit = (rng.random(n) < share) & (y >= 0)
        p[hit, y[hit]] += 2
        p /= p.sum(1, keepdims=True)
        ids = [f"{role}{number}" for number in range(n)]
        parts.append(
            pd.DataFrame({"image_id": ids, "role": role, "y": y, "perturbation": "none", "probabilities": list(p)})
        )
    return pd.concat(parts, ignore_index=True)


def test_measures_as_scikit_learn_has_them() -> None:
    table = predictions(0, {"validation": 0.7, "test": 0.4})
    measures = measured(table)
    for role, prefix in (("validation", "validation_"), ("test", "")):
        part = table[(table["role"] == role) & (table["y"] >= 0)]
        p = np.stack(part["probabilities"].to_list())
        assert measures[f"{prefix}accuracy"] == pytest.approx(accuracy_score(part["y"], p.argmax(1)))
        assert measures[f"{prefix}images"] == len(part)
        if role == "test":
            assert measures["macro_f1"] == pytest.approx(f1_score(part["y"], p.argmax(1), average="macro"))
        else:
            assert measures["validation_loss"] == pytest.approx(log_loss(part["y"], p, labels=[0, 1, 2]))


def test_the_best_on_validation_is_chosen_whatever_it_does_on_test(tmp_path) -> None:  # type: ignore[no-untyped-def]
    entries, files = [], []
    # The second is best on validation and worst on test.
    for number, (validation, test) in enumerate([(0.5, 0.95), (0.95, 0.2), (0.6, 0.6)]):
        names = []
        for seed in (1, 2):
            run = Run("c", "t", "v", "image", f"m_rate_{number}", 0, seed)
            file = tmp_path / run.name / "predictions/c.parquet"
            file.parent.mkdir(parents=True)
            write_table(file, predictions(10 * number + seed, {"validation": validation, "test": test}))
            files.append(file)
            names.append(run.name)
        entries.append(
            {"experiment": "e", "variant": f"m_rate_{number}", "of": "m", "values": {"r": number}, "runs": names}
        )
    table = sweeps_table(Inputs({"predictions": files}, {"swept": entries}))
    assert table["chosen"].tolist() == [False, True, False]
    assert table["accuracy"].idxmin() == 1 and table["runs"].tolist() == [2, 2, 2]
    assert table["values"].tolist() == ['{"r": 0}', '{"r": 1}', '{"r": 2}']


def test_ties_go_to_the_lower_loss_then_to_the_first_and_each_place_has_its_own_choice() -> None:
    rows = [("a", 0.9, 0.5), ("a", 0.9, 0.3), ("a", 0.9, 0.3), ("b", 0.1, 9.0), ("a", 0.8, 0.1)]
    table = pd.DataFrame(
        [{**dict.fromkeys(KEYS, "x"), "model": m, "validation_accuracy": a, "validation_loss": b} for m, a, b in rows]
    )
    table_with_choice = with_choice(table)
    assert table_with_choice["model"].tolist() == ["a", "a", "a", "a", "b"]
    assert table_with_choice["chosen"].tolist() == [False, True, False, False, True]
