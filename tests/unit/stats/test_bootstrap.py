import numpy as np
import pytest
from scipy import stats
from scipy.stats import binomtest

from leukoflow.config.evaluation import Evaluation
from leukoflow.core.seeding import generator
from leukoflow.stats import bootstrap
from leukoflow.stats.bootstrap import (
    bca_interval,
    interval,
    newcombe_interval,
    percentile_interval,
    resample,
    resample_metrics,
    wilson_interval,
)
from leukoflow.stats.metrics import design, evaluate


@pytest.fixture
def sets_and_sample():
    random = np.random.default_rng(0)
    y = random.integers(0, 3, 60)
    shares = random.dirichlet(np.ones(3), 60)
    shares[np.arange(60), y] += 0.4
    return design(y, shares), y, shares


@pytest.mark.parametrize("grouped", [False, True])
def test_each_resample_is_what_scoring_the_drawn_images_gives(sets_and_sample, grouped):
    sets, y, shares = sets_and_sample
    units = np.arange(60) // 7 if grouped else np.arange(60)
    number = units.max() + 1
    values = resample_metrics(sets, units, Evaluation(resamples=100, seed=9))
    assert values.shape[1] == 101
    np.testing.assert_allclose(values[:, 0], evaluate(sets, np.ones((60, 1)))[:, 0])
    draws = generator(9, "bootstrap", number).integers(0, number, (100, number))
    for column, drawn in enumerate(draws[:25]):
        images = np.concatenate([np.flatnonzero(units == unit) for unit in drawn])
        expected = evaluate(design(y[images], shares[images]), np.ones((len(images), 1)))[:, 0]
        np.testing.assert_allclose(values[:, 1 + column], expected, atol=1e-12)


def test_stratified_resamples_keep_the_number_of_images_of_each_class(sets_and_sample):
    _, y, _ = sets_and_sample
    counts = resample(lambda counts: counts, 60, 300, 1, strata=y)
    for k in range(3):
        assert (counts[y == k].sum(0) == (y == k).sum()).all()
    assert counts.std(1).min() > 0.5  # and every image is drawn more or less often
    np.testing.assert_array_equal(resample(lambda counts: counts, 60, 300, 1, chunk=7, strata=y), counts)


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_intervals_are_scipys_for_one_sample_and_for_strata(method):
    """The share of right answers of one sample, and of two classes of fixed size, against scipy on its own draws."""
    random = np.random.default_rng(21)
    right, y = random.random(300) < 0.85, np.repeat([0, 1], [220, 80])
    right[y == 1] = random.random(80) < 0.6
    shares = np.where(right, 0.9, 0.1)[:, None] * np.eye(2)[y] + np.where(right, 0.1, 0.9)[:, None] * np.eye(2)[1 - y]
    settings = Evaluation(resamples=20_000, interval=method)
    name = {"percentile": "percentile", "bca": "BCa"}[method]
    rng = np.random.default_rng(22)
    for strata, samples in ((None, (right,)), (y, (right[y == 0], right[y == 1]))):
        limits = interval(settings, resample_metrics(design(y, shares), np.arange(300), settings, strata))

        def accuracy(*parts, axis=-1):
            return sum(part.sum(axis) for part in parts) / 300

        expected = stats.bootstrap(
            samples, accuracy, n_resamples=20_000, method=name, rng=rng, batch=2000
        ).confidence_interval
        assert (limits[0][0], limits[1][0]) == pytest.approx(tuple(expected), abs=0.0035)
    free, kept = (
        resample_metrics(design(y, shares), np.arange(300), settings, strata)[0, 1:20_001].std() for strata in (None, y)
    )
    assert kept < free  # classes that differ in accuracy and keep their sizes vary less


def test_chunks_do_not_change_the_draws():
    counts = resample(lambda counts: counts, 60, 50, 1)
    assert counts.shape == (60, 50) and (counts.sum(0) == 60).all()
    np.testing.assert_array_equal(resample(lambda counts: counts, 60, 50, 1, chunk=7), counts)


def test_intervals_of_accuracy_are_those_of_the_binomial_draw(sets_and_sample):
    sets, y, shares = sets_and_sample
    right = np.mean(shares.argmax(1) == y)
    accuracy = resample_metrics(sets, np.arange(60), Evaluation(resamples=20_000, seed=2))[0]
    assert accuracy.mean() == pytest.approx(right, abs=0.002)
    assert accuracy.std() == pytest.approx(np.sqrt(right * (1 - right) / 60), rel=0.02)


def test_groups_of_like_images_widen_the_interval():
    right = np.repeat(np.random.default_rng(3).random(30) < 0.8, 20)
    y = np.zeros(600, int)
    sets = design(y, np.stack([right, ~right], 1).astype(float))
    spread = [
        np.ptp(interval(Evaluation(resamples=2000, seed=4), resample_metrics(sets, units, Evaluation(seed=4))[:1]))
        for units in (np.arange(600), np.arange(600) // 20)
    ]
    assert spread[1] > 3 * spread[0]


def test_a_single_group_gives_no_interval(sets_and_sample):
    columns = resample_metrics(sets_and_sample[0], np.zeros(60, int), Evaluation(interval="bca"))
    assert np.isfinite(columns[0, 0]) and np.isnan(columns[:, 1:]).all()
    assert np.isnan(interval(Evaluation(interval="bca"), columns)).all()


def test_undefined_resamples_are_left_out_until_they_are_most():
    values = np.array([[0.1, 0.2, 0.3, np.nan], [0.1, np.nan, np.nan, np.nan]])
    low, high = percentile_interval(values, 0.9)
    assert (low[0], high[0]) == pytest.approx((0.11, 0.29))
    assert np.isnan([low[1], high[1]]).all()


@pytest.mark.parametrize(("right", "count"), [(0, 5), (3, 8), (96, 96), (397, 400)])
def test_wilson_agrees_with_scipy(right, count):
    expected = binomtest(right, count).proportion_ci(0.95, method="wilson")
    assert wilson_interval(right, count, 0.95) == pytest.approx((expected.low, expected.high))


def test_wilson_of_nothing_is_undefined():
    assert np.isnan(wilson_interval(0, 0, 0.95)).all()


def test_bca_is_scipys_on_the_same_resamples():
    sample = np.random.default_rng(3).exponential(size=40)
    theirs = stats.bootstrap((sample,), np.mean, n_resamples=4000, method="BCa", rng=np.random.default_rng(4))
    without = (sample.sum() - sample) / 39
    low, high = bca_interval(theirs.bootstrap_distribution[None], sample.mean(keepdims=True), [without[None]], 0.95)
    assert (low[0], high[0]) == pytest.approx(tuple(theirs.confidence_interval))
    plain = np.quantile(theirs.bootstrap_distribution, [0.025, 0.975])
    assert low[0] > plain[0] and high[0] > plain[1]  # a sample skewed to the right


def test_bca_of_two_samples_is_scipys():
    random = np.random.default_rng(5)
    one, two = random.exponential(size=25), random.exponential(2, size=40)

    def apart(x, y, axis=-1):
        return x.mean(axis) - y.mean(axis)

    theirs = stats.bootstrap((one, two), apart, n_resamples=2000, method="BCa", rng=np.random.default_rng(6))
    without = [(one.sum() - one) / 24 - two.mean(), one.mean() - (two.sum() - two) / 39]
    limits = bca_interval(
        theirs.bootstrap_distribution[None], np.array([apart(one, two)]), [values[None] for values in without], 0.95
    )
    assert (limits[0][0], limits[1][0]) == pytest.approx(tuple(theirs.confidence_interval))


def test_columns_for_bca_leave_out_one_unit_at_a_time():
    random = np.random.default_rng(7)
    y, units = random.integers(0, 3, 60), np.arange(60) // 4
    probabilities = random.dirichlet(np.ones(3), 60)
    values = resample_metrics(design(y, probabilities), units, Evaluation(resamples=100, interval="bca"))
    assert values.shape[1] == 1 + 100 + 15
    for unit in (0, 7, 14):
        kept = units != unit
        alone = evaluate(design(y[kept], probabilities[kept]), np.ones((kept.sum(), 1)))[:, 0]
        assert values[:, 101 + unit] == pytest.approx(alone)


def test_many_units_are_left_out_by_parts_with_the_same_acceleration(monkeypatch):
    random = np.random.default_rng(8)
    y = (random.random(1800) < 0.9).astype(int)
    sets, settings = design(y, np.tile([0.2, 0.8], (1800, 1))), Evaluation(interval="bca", seed=1)
    whole = interval(settings, resample_metrics(sets, np.arange(1800), settings))
    monkeypatch.setattr(bootstrap, "MOST_LEFT_OUT", 200)
    columns = resample_metrics(sets, np.arange(1800), settings)
    assert columns.shape[1] == 1 + 2000 + 200
    assert interval(settings, columns)[0][0] == pytest.approx(whole[0][0], abs=0.002)


def test_bca_has_no_limits_where_the_value_lies_beyond_the_resamples():
    drawn = np.linspace(0, 1, 200)[None]
    without = [np.linspace(0, 1, 5)[None]]
    for value in (2.0, np.nan):
        assert np.isnan(bca_interval(drawn, np.array([value]), without, 0.95)).all()


def test_the_settings_choose_the_kind_of_interval():
    drawn, value = np.random.default_rng(9).exponential(size=(1, 500)), np.array([0.5])
    without = np.random.default_rng(10).exponential(size=(1, 30))
    columns = np.concatenate([value[:, None], drawn, without], axis=1)
    plain = np.ravel(interval(Evaluation(resamples=500), columns))
    other = np.ravel(interval(Evaluation(resamples=500, interval="bca"), columns))
    assert plain == pytest.approx(np.ravel(percentile_interval(drawn, 0.95)))
    assert other == pytest.approx(np.ravel(bca_interval(drawn, value, [without], 0.95)))
    assert other[0] != pytest.approx(plain[0])


def test_newcombes_examples():
    """Newcombe 1998, table II, method 10: 56/70 and 48/80; 10/10 and 0/10."""
    for (a, m), (b, n), expected in (((56, 70), (48, 80), (0.0524, 0.3339)), ((10, 10), (0, 10), (0.6075, 1.0))):
        sides = [(x / y, *wilson_interval(x, y, 0.95)) for x, y in ((a, m), (b, n))]
        assert newcombe_interval(*sides) == pytest.approx(expected, abs=5e-5)
