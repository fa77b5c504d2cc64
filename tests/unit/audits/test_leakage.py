import numpy as np
import pandas as pd
import pytest

from leukoflow.audits.leakage import _held_together, copies, protocols, tally
from leukoflow.config.evaluation import Evaluation
from leukoflow.stats.bootstrap import newcombe_interval, wilson_interval

SETTINGS = Evaluation(resamples=2000)


def answers(names, right, groups=None, seen=False) -> pd.DataFrame:
    """What one run said."""
    table = pd.DataFrame({"image_id": names, "right": np.asarray(right, bool), "seen": seen})
    return table.assign(group=table["image_id"] if groups is None else groups)


def ids(start: int, stop: int) -> list[str]:
    return [f"i{number:04d}" for number in range(start, stop)]


def test_seeds_are_averaged_and_folds_pooled():
    runs = [answers(["a", "b"], [1, 0]), answers(["a", "b"], [1, 1]), answers(["c"], [0]), answers(["c"], [0])]
    pooled = tally(runs)
    assert (
        pooled.runs == 4 and pooled.table["runs"].tolist() == [2, 2, 2] and pooled.table["right"].tolist() == [2, 1, 0]
    )
    row = protocols({("net", "image"): pooled}, SETTINGS).iloc[0]
    assert row["accuracy"] == pytest.approx(0.5) and row["images"] == 3 and row["interval"] == "images"
    assert np.isnan(row["difference"])


def test_the_difference_of_disjoint_sets_is_that_of_independent_samples():
    random = np.random.default_rng(0)
    loose, strict = random.random(600) < 0.95, random.random(400) < 0.8
    tallies = {
        ("net", "image"): tally([answers(ids(0, 600), loose)]),
        ("net", "patient"): tally([answers(ids(600, 1000), strict)]),
    }
    table = protocols(tallies, SETTINGS).set_index("protocol")
    row = table.loc["patient"]
    assert row["difference"] == pytest.approx(strict.mean() - loose.mean()) and row["shared"] == 0
    spread = np.sqrt(loose.var() / 600 + strict.var() / 400)
    assert row["difference_high"] - row["difference_low"] == pytest.approx(2 * 1.96 * spread, rel=0.08)
    assert np.isnan(row["paired_difference"])


def test_images_in_both_sets_count_as_pairs():
    random = np.random.default_rng(1)
    loose = random.random(500) < 0.8
    strict = loose & (random.random(500) < 0.97)
    tallies = {
        ("net", "image"): tally([answers(ids(0, 500), loose)]),
        ("net", "duplicate"): tally([answers(ids(0, 500), strict)]),
    }
    row = protocols(tallies, SETTINGS).set_index("protocol").loc["duplicate"]
    lost = strict.astype(float) - loose
    assert row["shared"] == 500 and row["difference"] == row["paired_difference"] == pytest.approx(lost.mean())
    assert row["difference_high"] - row["difference_low"] == pytest.approx(2 * 1.96 * lost.std() / 500**0.5, rel=0.08)
    assert (row["paired_low"], row["paired_high"]) == (row["difference_low"], row["difference_high"])


def test_a_side_on_which_all_are_right_is_not_certain():
    loose, strict = answers(ids(0, 40), np.arange(40) > 3), answers(ids(40, 60), np.ones(20))
    row = protocols({("net", "image"): tally([loose]), ("net", "patient"): tally([strict])}, SETTINGS).iloc[1]
    assert row["interval"] == "wilson" and row["difference_interval"] == "newcombe"
    assert row["difference"] == pytest.approx(0.1) and row["difference_low"] < 0 < row["difference_high"]
    assert row["difference_low"] < -(1 - wilson_interval(20, 20, 0.95)[0]) + 0.1


def test_units_hold_together_what_either_split_does():
    one = pd.Series(["a", "a", "b", None, None])
    other = pd.Series([None, "x", "x", "x", "y"])
    units = _held_together(one, other)
    assert len(set(units[:4])) == 1 and units[4] != units[0]


def test_groups_of_the_strict_split_widen_the_interval_of_the_difference():
    random = np.random.default_rng(2)
    right = np.repeat(random.random(40) < 0.8, 10)
    loose = tally([answers(ids(0, 400), random.random(400) < 0.9)])
    groups = np.repeat(np.arange(40), 10).astype(str)
    widths = []
    for names in (None, groups):
        strict = tally([answers(ids(0, 400), right, names)])
        row = protocols({("net", "image"): loose, ("net", "acquisition"): strict}, SETTINGS).iloc[1]
        widths.append(row["difference_high"] - row["difference_low"])
    assert widths[1] > 2 * widths[0]


def test_copies_stand_apart_from_the_rest():
    right = np.array([1] * 12 + [1, 1, 0, 1] * 25, bool)
    seen = np.arange(112) < 12
    table = copies({("net", "image"): tally([answers(ids(0, 112), right, seen=seen)])}, SETTINGS).set_index("part")
    assert table["images"].tolist() == [112, 12, 100] and table.index.tolist() == ["all", "copies", "rest"]
    assert table.loc["rest", "accuracy"] == pytest.approx(0.75) and table.loc["copies", "interval"] == "wilson"
    # All copies are right: resampling them varies nothing, so the limits are Newcombe's.
    low, high = newcombe_interval(
        (1.0, *wilson_interval(12, 12, 0.95)), tuple(table.loc["rest", ["accuracy", "low", "high"]])
    )
    gain = table.loc["copies"]
    assert (gain["difference_low"], gain["difference_high"]) == pytest.approx((low, high)) and low < 0.1
    assert gain["difference"] == pytest.approx(0.25) and gain["difference_interval"] == "newcombe"
    every = table.loc["all"]
    assert every["difference"] == pytest.approx(every["accuracy"] - 0.75)
    assert every["difference_low"] == pytest.approx(low * 12 / 112)


def test_copies_depend_on_the_fold_and_may_be_all_there_is():
    runs = [answers(["a", "b"], [1, 1], seen=[True, False]), answers(["a", "b"], [0, 1], seen=[True, True])]
    table = copies({("net", "image"): tally(runs)}, SETTINGS).set_index("part")
    assert table["accuracy"].tolist() == pytest.approx([3 / 4, 2 / 3, 1]) and table["images"].tolist() == [2, 2, 1]
    alone = copies({("net", "image"): tally([answers(["a", "b"], [1, 0], seen=True)])}, SETTINGS).set_index("part")
    assert alone.loc["rest", "images"] == 0 and alone["difference"].isna().all() and alone["against"].isna().all()
    assert copies({("net", "image"): tally([answers(["a"], [1])])}, SETTINGS).empty
