import time

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from leukoflow.config.evaluation import Evaluation
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.runs import Run
from leukoflow.core.seeding import generator
from leukoflow.stats.compare import COLUMNS, Answers, answers_of, compare, corrected_t, gather, holm, mcnemar

SETTINGS = Evaluation(resamples=500)


def run(model: str, fold: int = 0, seed: int = 1, protocol: str = "image") -> Run:
    return Run("home", "kind", "plain", protocol, model, fold, seed)


def said(right, group: int = 1, fold: int = 0, train: int = 400) -> Answers:
    """What a run did: right or not on each image, `group` images in a row being one group."""
    ids = [f"{fold}-{number:03d}" for number in range(len(right))]
    groups = [f"{fold}-g{number // group}" for number in range(len(right))] if group > 1 else ids
    return Answers(pd.DataFrame({"image_id": ids, "group": groups, "right": np.asarray(right, bool)}), train)


def one(runs, reference="base", published=None, settings=SETTINGS) -> pd.Series:
    table = compare("main", reference, runs, published or {}, settings)
    assert list(table.columns) == COLUMNS and len(table) == 1
    return table.iloc[0]


def pair(random, number: int, skill: float = 0.8):
    return random.random(number) < skill, random.random(number) < skill - 0.1


def test_one_run_by_hand():
    """Of ten images the model alone is right on three and the reference alone on one."""
    row = one(
        {run("net"): said([1, 1, 1, 1, 1, 1, 1, 0, 0, 0]), run("base"): said([1, 1, 1, 1, 0, 0, 0, 1, 0, 0])},
        published={"net": 0.95, "base": 0.97},
    )
    assert (row["experiment"], row["model"], row["reference"]) == ("main", "net", "base")
    assert (row["images"], row["groups"], row["runs"]) == (10, 10, 1)
    assert (row["accuracy"], row["reference_accuracy"]) == (0.7, 0.5) and row["difference"] == pytest.approx(0.2)
    assert (row["only_model"], row["only_reference"]) == (3, 1)
    # Two-sided: of four discordant pairs three or more, or one or fewer, on one side: (1 + 4 + 4 + 1) / 16.
    assert row["p"] == row["p_mcnemar"] == row["p_holm"] == pytest.approx(10 / 16)
    assert row["test"] == "McNemar" and np.isnan(row["t"]) and np.isnan(row["p_t"])
    assert (row["published"], row["published_reference"]) == (0.95, 0.97)
    assert row["published_difference"] == pytest.approx(-0.02)


def test_the_interval_is_that_of_scoring_each_drawn_pair_anew():
    random = np.random.default_rng(0)
    mine, theirs = pair(random, 60)
    for group, units in ((1, np.arange(60)), (7, np.arange(60) // 7)):
        row = one({run("net"): said(mine, group), run("base"): said(theirs, group)})
        number = units.max() + 1
        drawn = generator(SETTINGS.seed, "bootstrap", number, "fold", 0).integers(0, number, (500, number))
        images = [np.concatenate([np.flatnonzero(units == unit) for unit in units_drawn]) for units_drawn in drawn]
        values = [mine[image].mean() - theirs[image].mean() for image in images]
        assert (row["low"], row["high"]) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))
        assert row["resampling"] == ("images" if group == 1 else "groups")


def test_the_interval_has_the_width_of_the_paired_differences():
    """Its variance is that of the mean of the differences, far below that of two accuracies drawn apart."""
    random = np.random.default_rng(1)
    theirs = random.random(2000) < 0.8
    mine = theirs ^ (random.random(2000) < 0.05)
    row = one({run("net"): said(mine), run("base"): said(theirs)}, settings=Evaluation(resamples=10_000))
    expected = stats.norm.ppf(0.975) * (mine.astype(float) - theirs).std() / np.sqrt(2000)
    assert (row["high"] - row["low"]) / 2 == pytest.approx(expected, rel=0.05)


def test_groups_of_like_images_widen_the_interval_and_a_single_group_gives_way_to_images():
    random = np.random.default_rng(2)
    mine, theirs = (np.repeat(answers, 20) for answers in pair(random, 30))
    rows = [one({run("net"): said(mine, g), run("base"): said(theirs, g)}) for g in (1, 20, 600)]
    widths = [row["high"] - row["low"] for row in rows]
    assert widths[1] > 3 * widths[0] and widths[2] == widths[0]
    assert [row["resampling"] for row in rows] == ["images", "groups", "images"]
    assert [row["groups"] for row in rows] == [600, 30, 1]


def test_the_same_answers_differ_by_nothing():
    right = np.random.default_rng(3).random(50) < 0.7
    row = one({run("net"): said(right, 5), run("base"): said(right, 5)})
    assert row["difference"] == 0 and row["p"] == 1 and np.isnan(row["low"]) and row["resampling"] == ""


def test_swapping_model_and_reference_turns_the_sign():
    random = np.random.default_rng(4)
    folds = [pair(random, 80) for _ in range(3)]
    runs = {run(name, f): said(folds[f][side], 4, f) for side, name in enumerate("ab") for f in range(3)}
    first, second = one(runs, "b"), one(runs, "a")
    assert first["difference"] == pytest.approx(-second["difference"])
    assert (first["low"], first["high"]) == pytest.approx((-second["high"], -second["low"]))
    assert first["t"] == pytest.approx(-second["t"]) and first["p"] == pytest.approx(second["p"])
    assert first["p_mcnemar"] == pytest.approx(second["p_mcnemar"])


def test_folds_of_one_seed_have_both_tests_and_several_seeds_only_that_over_runs():
    random = np.random.default_rng(5)
    folds = {(fold, seed): pair(random, 40 + 10 * fold) for fold in range(3) for seed in (1, 2)}

    def runs(keys):
        net = {run("net", *key): said(folds[key][0], 1, key[0]) for key in keys}
        return net | {run("base", *key): said(folds[key][1], 1, key[0]) for key in keys}

    once = one(runs([(fold, 1) for fold in range(3)]))
    mine, theirs = (np.concatenate([folds[fold, 1][side] for fold in range(3)]) for side in (0, 1))
    both = [(mine & ~theirs).sum(), (theirs & ~mine).sum()]
    assert once["p_mcnemar"] == pytest.approx(stats.binomtest(both[0], sum(both)).pvalue)
    assert once["images"] == 150 and once["test"] == "corrected t" and once["p"] == once["p_t"]
    # The leaderboard's accuracy: the mean over runs, whatever their sizes.
    assert once["accuracy"] == pytest.approx(np.mean([folds[fold, 1][0].mean() for fold in range(3)]))
    twice = one(runs(folds))
    assert np.isnan(twice["p_mcnemar"]) and twice["runs"] == 6 and twice["images"] == 150
    differences = np.array([mine.mean() - theirs.mean() for mine, theirs in folds.values()])
    assert twice["t"] == pytest.approx(corrected_t(differences, 50 / 400)[0])
    assert twice["low"] < twice["difference"] < twice["high"]


def test_several_folds_narrow_the_interval_as_more_images_do():
    random = np.random.default_rng(6)
    mine, theirs = pair(random, 1600)
    whole = one({run("net"): said(mine), run("base"): said(theirs)})
    parts = {run("net", f): said(mine[400 * f : 400 * f + 400], 1, f) for f in range(4)}
    parts |= {run("base", f): said(theirs[400 * f : 400 * f + 400], 1, f) for f in range(4)}
    row = one(parts)
    assert row["difference"] == pytest.approx(whole["difference"])
    assert row["high"] - row["low"] == pytest.approx(whole["high"] - whole["low"], rel=0.15)


def test_folds_are_drawn_apart_even_where_they_are_alike():
    mine, theirs = pair(np.random.default_rng(10), 300)
    widths = []
    for folds in (1, 4):
        runs = {run("net", f): said(mine, 1, f) for f in range(folds)}
        row = one(runs | {run("base", f): said(theirs, 1, f) for f in range(folds)})
        widths.append(row["high"] - row["low"])
    assert widths[1] == pytest.approx(widths[0] / 2, rel=0.15)


def test_the_corrected_t_is_that_of_scipy_with_a_wider_variance():
    differences = np.random.default_rng(7).normal(0.02, 0.03, 10)
    plain = stats.ttest_1samp(differences, 0)
    # Without images shared between test and training, k runs are k independent values.
    assert corrected_t(differences, 0.0) == pytest.approx((plain.statistic, plain.pvalue))
    t, p = corrected_t(differences, 0.25)
    assert t == pytest.approx(plain.statistic * np.sqrt((1 / 10) / (1 / 10 + 0.25)))
    assert p == pytest.approx(2 * stats.t.sf(abs(t), 9)) and p > plain.pvalue
    assert np.isnan(corrected_t(differences[:1], 0.25)).all() and np.isnan(corrected_t(np.full(3, 0.1), 0.25)).all()


@pytest.mark.parametrize(("first", "second"), [(3, 1), (0, 6), (7, 7), (25, 10)])
def test_mcnemar_is_the_exact_binomial_sum(first, second):
    number, fewer = first + second, min(first, second)
    tail = sum(stats.binom.pmf(k, number, 0.5) for k in range(fewer + 1))
    assert mcnemar(first, second) == pytest.approx(min(1.0, 2 * tail)) and mcnemar(0, 0) == 1


def test_holm_by_hand():
    """Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1, none below the one before; the undefined does not count."""
    adjusted = holm(np.array([0.04, np.nan, 0.01, 0.03, 0.02]))
    assert adjusted[[0, 2, 3, 4]] == pytest.approx([0.06, 0.04, 0.06, 0.06]) and np.isnan(adjusted[1])
    assert holm(np.array([0.6, 0.7])) == pytest.approx([1, 1]) and len(holm(np.array([]))) == 0


def test_each_view_and_protocol_is_adjusted_by_itself_and_the_baseline_leads():
    random = np.random.default_rng(8)
    runs = {}
    for protocol in ("acquisition", "image"):
        for model, skill in (("net", 0.8), ("base", 0.7), ("other", 0.95), ("colour_histogram", 0.6)):
            runs[run(model, protocol=protocol)] = said(random.random(200) < skill)
    table = compare("main", "base", runs, {"net": 0.98}, SETTINGS)
    assert table["protocol"].tolist() == ["image"] * 3 + ["acquisition"] * 3
    assert table["model"].tolist() == ["colour_histogram", "other", "net"] * 2
    for _, part in table.groupby("protocol"):
        assert part["p_holm"].to_numpy() == pytest.approx(holm(part["p"].to_numpy()))
        assert (part["p_holm"] >= part["p"]).all()
    assert table["published"].notna().sum() == 2 and table["published_reference"].isna().all()
    assert table["published_difference"].isna().all()
    assert gather([table, table[:0]])["model"].tolist() == table["model"].tolist()
    assert gather([]).empty and list(gather([table[:0]]).columns) == COLUMNS


def test_runs_on_other_images_are_no_pairs():
    with pytest.raises(LeukoFlowError, match="net and base were not tested on the same images and runs"):
        one({run("net"): said([1, 0, 1]), run("base"): said([1, 0])})
    with pytest.raises(LeukoFlowError, match="not tested on the same"):
        one({run("net"): said([1, 0]), run("net", 1): said([1, 0], 1, 1), run("base"): said([1, 0])})
    assert compare("main", "base", {run("base"): said([1, 0])}, {}, SETTINGS).empty


def test_only_labelled_unperturbed_test_images_of_the_own_cohort_count():
    rows = [
        ("b", "test", "none", "home", 1, [0.2, 0.8]),
        ("a", "test", "none", "home", 1, [0.5, 0.5]),
        ("c", "validation", "none", "home", 1, [0.2, 0.8]),
        ("d", "test", "grey", "home", 1, [0.2, 0.8]),
        ("e", "test", "none", "away", 1, [0.2, 0.8]),
        ("f", "test", "none", "home", -1, [0.2, 0.8]),
    ]
    table = pd.DataFrame(rows, columns=["image_id", "role", "perturbation", "cohort", "y", "probabilities"])
    answers = answers_of(run("net"), table.assign(group=None), 5).table
    assert answers["image_id"].tolist() == ["a", "b"] == answers["group"].tolist()
    # Of equal probabilities the first is the prediction, as in the metrics.
    assert answers["right"].tolist() == [False, True]
    with pytest.raises(LeukoFlowError, match=r"home\.kind\.plain\.image\.net.*no predictions of role test"):
        answers_of(run("net"), table[2:].assign(group=None), 5)


def test_ten_thousand_resamples_take_seconds():
    random = np.random.default_rng(9)
    runs = {run(f"net{k}"): said(random.random(1000) < 0.9, 10) for k in range(12)}
    started = time.process_time()
    compare("main", "net0", runs, {}, Evaluation(resamples=10_000))
    assert time.process_time() - started < 10
