"""Arithmetic on published numbers, against scipy, scikit-learn and worked examples."""

import itertools

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from leukoflow.papers import plausible

PBC = (237, 596, 294, 602, 241, 307, 679, 462)
ALL = (504, 985, 963, 804)


@pytest.mark.parametrize(
    ("share", "images", "digits", "counts"),
    [
        (0.9862, 400, 4, []),
        (0.9925, 400, 4, [397]),
        (0.9992, 652, 4, []),
        (0.9816, 326, 4, [320]),
        (0.9602, 3242, 4, [3113]),
        (0.6687, 326, 4, [218]),
        (0.7178, 326, 4, [234]),
        (0.965, 651, 3, [628]),
        (1.0, 96, 4, [96]),
        (0.0, 96, 4, [0]),
    ],
)
def test_counts_that_print_as_a_share(share: float, images: int, digits: int, counts: list[int]) -> None:
    assert plausible.possible_counts(share, images, digits) == counts
    # Every count, tried.
    assert [k for k in range(images + 1) if plausible.agrees(k / images, share, digits)] == counts


def test_nearest_shares() -> None:
    assert plausible.nearest_shares(0.9862, 400) == (0.985, 0.9875)


def test_mean_confidence_and_the_least_calibration_error() -> None:
    confidence = plausible.mean_confidence(0.9766, 0.943, 0.683)
    assert confidence == pytest.approx(0.937, abs=5e-4)
    assert plausible.least_ece(0.9766, confidence) == pytest.approx(0.040, abs=5e-4)
    # No binning of random answers has a smaller error.
    random = np.random.default_rng(0)
    for bins in (1, 5, 15):
        sure, right = random.uniform(0.3, 1, 500), random.random(500) < 0.8
        bin_of = np.minimum((sure * bins).astype(int), bins - 1)
        ece = sum(abs(right[bin_of == b].mean() - sure[bin_of == b].mean()) * (bin_of == b).mean() for b in set(bin_of))
        assert ece >= plausible.least_ece(right.mean(), sure.mean()) - 1e-12


def test_a_bin_that_is_off_holds_few_images() -> None:
    share, most = plausible.most_confidence(0.042, 0.087, 0.9, 1)
    assert share == pytest.approx(0.4828, abs=1e-4) and most == pytest.approx(0.9483, abs=1e-4)
    assert plausible.most_confidence(0.2, 0.1, 0.9, 1) == (1, 1)


def test_uncertainty_of_the_brier_score() -> None:
    total, mean = plausible.brier_uncertainty((1218, 3117, 1551, 2895, 1214, 1420, 3329, 2348))
    assert total == pytest.approx(0.856, abs=5e-4) and mean == pytest.approx(total / 8)
    assert plausible.brier_uncertainty((1, 1)) == (0.5, plausible.MOST_BINARY_UNCERTAINTY)


@pytest.mark.parametrize(("accuracy", "kappa"), [(0.9743, 0.970), (0.9661, 0.960), (0.9766, 0.973)])
def test_kappa_of_an_accuracy(accuracy: float, kappa: float) -> None:
    low, high = plausible.kappa_range(accuracy, PBC)
    assert low <= high and low == pytest.approx(kappa, abs=7e-4) and high == pytest.approx(kappa, abs=7e-4)


def test_kappa_lies_in_its_range_whichever_way_errors_fall() -> None:
    truth = np.repeat(range(8), PBC)
    random = np.random.default_rng(1)
    for kind in range(20):
        answer = truth.copy()
        wrong = random.choice(len(truth), 88, replace=False)
        if kind == 0:
            wrong = np.flatnonzero(truth == 0)[:88]
        answer[wrong] = random.choice(8, 88) if kind else 6
        low, high = plausible.kappa_range(float((answer == truth).mean()), PBC)
        assert low - 1e-12 <= metrics.cohen_kappa_score(truth, answer) <= high + 1e-12


def test_accuracy_that_goes_with_an_mcc() -> None:
    assert plausible.accuracy_of_mcc(0.9506, ALL) == pytest.approx(0.964, abs=5e-4)
    counts = [round(count * 652 / sum(ALL)) for count in ALL]
    truth = np.repeat(range(4), counts)
    answer = truth.copy()
    answer[0] = 1
    mcc = metrics.matthews_corrcoef(truth, answer)
    assert mcc == pytest.approx(0.9979, abs=5e-5)
    assert plausible.accuracy_of_mcc(mcc, counts) == pytest.approx((len(truth) - 1) / len(truth), abs=2e-5)


def test_one_versus_rest_accuracy() -> None:
    assert plausible.one_vs_rest_accuracy(651 / 652, 4) == pytest.approx(0.99923, abs=5e-6)
    random = np.random.default_rng(2)
    truth, answer = random.integers(0, 4, 200), random.integers(0, 4, 200)
    accuracies = [np.mean((truth == k) == (answer == k)) for k in range(4)]
    assert plausible.one_vs_rest_accuracy(float((truth == answer).mean()), 4) == pytest.approx(np.mean(accuracies))


def test_least_auc_is_reached_and_never_undercut() -> None:
    counts = [8, 12, 10, 10]
    truth = np.repeat(range(4), counts)
    aucs = []
    for label, other in itertools.permutations(range(4), 2):
        p = np.full((40, 4), 0.1)
        p[np.arange(40), truth] = 0.7
        image = int(np.flatnonzero(truth == label)[0])
        p[image] = 0.03
        p[image, other] = 0.91
        aucs.append(metrics.roc_auc_score(truth, p / p.sum(1, keepdims=True), multi_class="ovr"))
    assert min(aucs) == pytest.approx(plausible.least_auc(counts, 1))


def test_variance_analysis_from_means_and_deviations() -> None:
    f, p = plausible.anova((0.965, 0.935), (0.012, 0.018), 5)
    assert f == pytest.approx(9.62, abs=0.005) and p == pytest.approx(0.0146, abs=5e-5)
    random = np.random.default_rng(3)
    groups = random.normal((1, 2, 2.5), 1, (6, 3)).T
    expected = stats.f_oneway(*groups)
    assert plausible.anova(groups.mean(1), groups.std(1, ddof=1), 6) == pytest.approx(tuple(expected))


def test_interval_of_a_mean_of_runs() -> None:
    assert plausible.t_half_width(0.012, 5) == pytest.approx(0.0149, abs=5e-5)
    values = np.random.default_rng(4).normal(size=7)
    low, high = stats.t.interval(0.95, 6, values.mean(), stats.sem(values))
    assert plausible.t_half_width(float(values.std(ddof=1)), 7) == pytest.approx((high - low) / 2)


def test_intervals_of_proportions() -> None:
    low, high = plausible.exact_interval(96, 96)
    assert (round(low, 3), high) == (0.962, 1.0)
    assert plausible.bootstrap_interval(320, 326) == pytest.approx((0.9663, 0.9939), abs=5e-5)
    assert plausible.bootstrap_interval(96, 96) == (1, 1)


@pytest.mark.parametrize("d", [2048, 1536, 256])
def test_parameters_of_a_block(d: int) -> None:
    assert plausible.Block(d, 8, d, 4 * d).parameters == 40 * d * d + 34 * d


def test_parameters_of_the_published_totals() -> None:
    trunk, head = 23_587_712, 16_392
    assert trunk + 2 * plausible.Block(2048, 8, 2048, 8192).parameters + head == 359_287_688
    assert trunk + 2 * plausible.Block(2048, 8, 2048, 256).parameters + head == 294_260_104


def test_accuracy_in_another_mix_lies_between_errors_of_the_rarest_and_of_the_commonest_class() -> None:
    counts, per_class, errors = (512, 979, 955, 796), 5, 4
    accuracies = []
    for wrong in itertools.product(range(per_class + 1), repeat=4):
        if sum(wrong) == errors:
            recalls = [1 - one / per_class for one in wrong]
            accuracies.append(np.average(recalls, weights=counts))
    assert plausible.accuracy_in_mix(counts, per_class, errors) == pytest.approx((min(accuracies), max(accuracies)))
    assert plausible.accuracy_in_mix((1, 1), 3, 6) == pytest.approx((0, 0))
