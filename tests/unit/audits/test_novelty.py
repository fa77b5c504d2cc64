"""Scores of novelty against scipy and scikit-learn; planted novelty is found, a shuffled score finds nothing."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import distance
from scipy.stats import bootstrap, rankdata
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from leukoflow.audits.detection import compare, detection
from leukoflow.audits.novelty import SCORES, mahalanobis, neighbour_distance, refer, scores_of
from leukoflow.audits.thresholds import novelty_thresholds
from leukoflow.config.evaluation import Evaluation
from leukoflow.core.runs import parse_run
from leukoflow.stats.intervals import share

RUN = parse_run("home.kind.plain.image.net.fold0.seed1")


@pytest.fixture(scope="module")
def training() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    y = np.arange(120) % 3
    return random.normal(size=(120, 8)) @ random.normal(size=(8, 8)) + 4 * np.eye(3, 8)[y], y


@pytest.mark.parametrize("count", [120, 10])
def test_mahalanobis_is_that_of_scipy_with_a_shrunk_covariance(training, count: int) -> None:
    features, y = training[0][:count], training[1][:count]
    means = np.stack([features[y == k].mean(0) for k in range(3)])
    precision = np.linalg.inv(LedoitWolf(assume_centered=True).fit(features - means[y]).covariance_)
    images = np.random.default_rng(1).normal(size=(20, 8)) * 5
    wanted = [min(distance.mahalanobis(image, mean, precision) for mean in means) for image in images]
    assert mahalanobis(refer(features, y, 5), images) == pytest.approx(np.array(wanted), rel=1e-9)


def test_neighbour_distance_is_that_of_scikit_learn(training) -> None:
    features, y = training
    images = np.random.default_rng(2).normal(size=(300, 8))
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (features, images)]
    wanted = NearestNeighbors(n_neighbors=7).fit(unit[0]).kneighbors(unit[1])[0][:, -1]
    assert neighbour_distance(refer(features, y, 7), images) == pytest.approx(wanted, abs=1e-7)


def test_energy_and_softmax_of_known_logits(training) -> None:
    logits = np.log(np.array([[0.5, 0.25, 0.25], [0.98, 0.01, 0.01]])) + np.array([[0.0], [3.0]])
    made = scores_of(refer(*training, 5), np.zeros((2, 8)), logits)
    assert tuple(made) == SCORES
    assert made["energy"] == pytest.approx([0, -3]) and made["softmax"] == pytest.approx([0.5, 0.02])
    assert "energy" not in scores_of(refer(*training, 5), np.zeros((2, 8)), logits, energy=False)


def test_what_is_not_finite_is_infinitely_strange_and_dead_features_do_no_harm(training) -> None:
    features = np.concatenate([training[0], np.zeros((120, 2))], axis=1)
    images = np.zeros((3, 10))
    images[0, 0], images[1, 9] = np.nan, 5
    made = scores_of(refer(features, training[1], 5), images, np.zeros((3, 3)))
    assert all(np.isinf(values[0]) and np.isfinite(values[1:]).all() for values in made.values())
    assert made["mahalanobis"][1] > made["mahalanobis"][2]
    constant = refer(np.ones((10, 4)), np.zeros(10), 5)
    assert np.isfinite(mahalanobis(constant, np.ones((1, 4)))).all()


def test_detection_is_the_area_and_the_share_that_passes() -> None:
    random = np.random.default_rng(3)
    test, novel = random.normal(size=200).round(1), (random.normal(size=90) + 1).round(1)
    counts = [random.integers(0, 3, (len(scores), 4)).astype(float) for scores in (test, novel)]
    area, passed = compare(test, counts[0], novel, counts[1])
    for column in range(4):
        weights = np.concatenate([counts[0][:, column], counts[1][:, column]])
        truth = np.repeat([0, 1], [200, 90])
        wanted = roc_auc_score(truth, np.concatenate([test, novel]), sample_weight=weights)
        assert area[column] == pytest.approx(wanted, abs=1e-12)
        repeated = np.sort(np.repeat(test, counts[0][:, column].astype(int)))
        limit = repeated[int(np.ceil(0.95 * len(repeated) - 1e-9)) - 1]
        share_passed = np.average(novel <= limit, weights=counts[1][:, column])
        assert passed[column] == pytest.approx(share_passed, abs=1e-12)


def scored(shift: float, shuffled: bool) -> pd.DataFrame:
    """Scores of validation, test and foreign images, with those of planted novelty moved by `shift`."""
    random = np.random.default_rng(4)
    parts = []
    kinds = {("validation", "home"): (400, 0.0), ("test", "home"): (400, 0.0), ("external", "away"): (300, shift)}
    kinds |= {("non-smear", "noise"): (40, shift), ("non-smear", "text"): (40, shift)}
    for (role, kind), (count, moved) in kinds.items():
        ids = [f"{kind}{role}{index}" for index in range(count)]
        part = pd.DataFrame({"image_id": ids, "group": ids, "role": role, "kind": kind, "score": "mahalanobis"})
        parts.append(part.assign(value=random.normal(size=count) + moved))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(value=random.permutation(table["value"])) if shuffled else table


def test_planted_novelty_is_found_and_a_shuffled_score_finds_nothing() -> None:
    asked = Evaluation(resamples=200)
    tables = {}
    for name, table in (("planted", scored(4, False)), ("shuffled", scored(4, True))):
        limits = novelty_thresholds(table, 0.95)
        tables[name] = detection(RUN, table, limits, asked).set_index("kind")
    planted, shuffled = tables["planted"], tables["shuffled"]
    assert list(planted.index) == ["home", "away", "non-smears", "noise", "text"]
    assert planted.loc["away", "auroc"] > 0.99 and planted.loc["away", "refused"] > 0.97
    assert planted.loc["away", "fpr95"] < 0.02 and 0.02 < planted.loc["home", "refused"] < 0.08
    assert np.isnan(planted.loc["home", "auroc"])
    for kind in ("away", "non-smears"):
        row = shuffled.loc[kind]
        assert abs(row["auroc"] - 0.5) < 0.08 and row["auroc_low"] < 0.52 and row["auroc_high"] > 0.48
    assert planted.loc["non-smears", "images"] == 80 and planted.loc["home", "test_images"] == 400


def test_too_few_validation_images_refuse_nothing() -> None:
    table = scored(4, False)
    few = table[(table["role"] != "validation") | (table.index < 10)]
    assert novelty_thresholds(few, 0.95) == {"mahalanobis": np.inf}


def test_a_share_has_limits_of_its_groups() -> None:
    asked = Evaluation(resamples=500)
    hits = np.random.default_rng(5).random(400) < 0.3
    alone, joined = share(hits, np.arange(400), asked), share(np.repeat(hits[:20], 20), np.arange(400) // 20, asked)
    assert alone[1] < alone[0] < alone[2] and joined[2] - joined[1] > 3 * (alone[2] - alone[1])
    assert share(np.ones(400, bool), np.arange(400) // 20, asked)[1] < 0.9  # Wilson's, of twenty
    assert np.isnan(share(np.zeros(0, bool), np.zeros(0), asked)).all()


def test_bca_limits_of_a_detection_are_scipys_for_two_samples() -> None:
    """The share refused is of one sample, the area of two that are drawn apart."""
    table, asked = scored(0.8, False), Evaluation(resamples=5000, interval="bca")
    test, novel = (table.loc[table["role"] == role, "value"].to_numpy() for role in ("test", "external"))
    row = detection(RUN, table, {"mahalanobis": 1.0}, asked).set_index("kind").loc["away"]

    def area(test: np.ndarray, novel: np.ndarray, axis: int = -1) -> np.ndarray:
        pooled = np.concatenate([test, novel], axis=-1)
        ranks = rankdata(pooled, axis=-1)[..., test.shape[-1] :].sum(-1)
        size = novel.shape[-1]
        return (ranks - size * (size + 1) / 2) / (size * test.shape[-1])

    random = np.random.default_rng(5)
    for name, samples, statistic in (
        ("auroc", (test, novel), area),
        ("refused", ((novel > 1.0) * 1.0,), np.mean),
    ):
        expected = bootstrap(samples, statistic, n_resamples=5000, method="BCa", batch=500, rng=random)
        limits = expected.confidence_interval
        assert (row[f"{name}_low"], row[f"{name}_high"]) == pytest.approx(tuple(limits), abs=0.004)
