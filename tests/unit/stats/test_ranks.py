import numpy as np
import pytest
from scipy import stats

from leukoflow.stats.ranks import (
    cochran_q,
    critical_difference,
    friedman,
    least_blocks,
    least_friedman,
    mean_ranks,
    nemenyi,
    wilcoxon,
)

# Demsar 2006 (JMLR 7:1-30), table 6: ranks of C4.5, C4.5+m, C4.5+cf and C4.5+m+cf on 14 data sets.
DEMSAR = np.array(
    [
        [4, 3, 2, 1], [1, 2, 3, 4], [4, 1, 2, 3], [4, 1, 3, 2], [4, 2, 3, 1], [1, 2.5, 4, 2.5], [3, 2, 4, 1],
        [2.5, 2.5, 4, 1], [4, 3, 2, 1], [2.5, 2.5, 2.5, 2.5], [4, 2.5, 1, 2.5], [3, 2, 4, 1], [4, 1, 2, 3],
        [3, 1, 4, 2],
    ]
)  # fmt: skip


def test_demsars_example():
    ranks = mean_ranks(-DEMSAR)
    assert ranks == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    chi, p = friedman(-DEMSAR)
    ties = 1 - (6 + 6 + 60 + 6) / (14 * 4 * 15)
    assert chi * ties == pytest.approx(9.28, abs=5e-3)  # the article's is not corrected for ties
    assert p == pytest.approx(stats.friedmanchisquare(*-DEMSAR.T).pvalue)
    # Section 3.2.2: with 14 data sets the critical difference at 0.05 is 1.25, at 0.10 it is 1.12.
    assert critical_difference(4, 14, 0.95) == pytest.approx(1.25, abs=5e-3)
    assert critical_difference(4, 14, 0.90) == pytest.approx(1.12, abs=5e-3)
    assert nemenyi(ranks[0] - ranks[3], 4, 14) > 0.05 > nemenyi(1.26, 4, 14)


@pytest.mark.parametrize(("models", "quantile"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)])
def test_critical_values_of_demsars_table_5(models, quantile):
    unit = np.sqrt(models * (models + 1) / 6)
    assert critical_difference(models, 1, 0.95) / unit == pytest.approx(quantile, abs=1e-3)
    assert nemenyi(critical_difference(models, 7, 0.95), models, 7) == pytest.approx(0.05, abs=1e-6)


@pytest.mark.parametrize("models", [3, 4, 16])
def test_below_the_least_number_of_blocks_nothing_can_be_told_apart(models):
    number = least_blocks(models, 0.95)
    assert critical_difference(models, number, 0.95) < models - 1 <= critical_difference(models, number - 1, 0.95)


def test_blocks_that_all_agree_are_the_least_likely():
    values = np.tile([0.9, 0.8, 0.7], (3, 1))
    assert friedman(values)[0] == pytest.approx(6) and mean_ranks(values).tolist() == [1, 2, 3]
    assert least_friedman(3, 3) == pytest.approx(1 / 36)
    assert np.isnan(friedman(values[:1])).all() and np.isnan(friedman(values[:, :2])).all()
    assert np.isnan(friedman(np.ones((4, 3)))).all()


def test_cochrans_q():
    """Of two models it is McNemar's chi-squared; of three, by hand: 2 (3 (64 + 25 + 9) - 256) / 20 = 3.8."""
    first = np.array([1, 1, 1, 1, 0, 0, 1, 0, 1, 1], bool)
    second = np.array([1, 0, 0, 1, 1, 0, 0, 0, 0, 1], bool)
    only = (first & ~second).sum(), (second & ~first).sum()
    assert cochran_q(np.stack([first, second], 1))[0] == pytest.approx((only[0] - only[1]) ** 2 / sum(only))
    right = np.zeros((10, 3), bool)
    right[:8, 0] = right[:5, 1] = right[:3, 2] = True
    by_image = right.sum(1)
    spread = (by_image * (3 - by_image)).sum()
    q, p = cochran_q(right)
    assert q == pytest.approx(2 * (3 * (64 + 25 + 9) - 16**2) / spread) and p == pytest.approx(stats.chi2.sf(q, 2))
    assert np.isnan(cochran_q(np.ones((5, 3), bool))).all()


def test_cochrans_p_is_that_of_permuted_answers():
    random = np.random.default_rng(0)
    right = random.random((200, 4)) < [0.62, 0.7, 0.6, 0.66]
    q, p = cochran_q(right)
    drawn = [cochran_q(random.permuted(right, axis=1))[0] for _ in range(3000)]
    assert np.mean(np.array(drawn) >= q - 1e-9) == pytest.approx(p, abs=0.03)


@pytest.mark.parametrize("number", [3, 5, 9])
def test_wilcoxon_is_scipys(number):
    differences = np.random.default_rng(number).normal(0.3, 1, number)
    expected = stats.wilcoxon(differences, method="exact")
    assert wilcoxon(differences)[:2] == pytest.approx((expected.statistic, expected.pvalue))


def test_wilcoxon_counts_ties_exactly_and_says_its_smallest_p():
    tied = np.array([0.01, 0.01, -0.01, 0.02, 0.03, 0.0])
    exact = stats.wilcoxon(tied[:5], method=stats.PermutationMethod(n_resamples=10**6))
    assert wilcoxon(tied)[:2] == pytest.approx((exact.statistic, exact.pvalue))
    assert wilcoxon(np.arange(1.0, 6))[1:] == (0.0625, 0.0625) and wilcoxon(-np.arange(1.0, 6))[1] == 0.0625
    assert np.isnan(wilcoxon(np.zeros(5))).all()
    many = np.random.default_rng(1).normal(0.5, 1, 25)
    assert wilcoxon(many)[1] == pytest.approx(stats.wilcoxon(many).pvalue)
