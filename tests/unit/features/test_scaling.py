"""Scaling against scikit-learn, and that it sees the training rows alone."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.preprocessing import RobustScaler, StandardScaler

from leukoflow.core.errors import LeukoFlowError
from leukoflow.features import scaling
from leukoflow.features.scaling import apply, fit


def sample(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.standard_t(3, (150, 12)) * rng.uniform(0.01, 100, 12) + rng.normal(size=12) * 50).astype(np.float32)


@pytest.mark.parametrize("missing", [False, True])
def test_as_scikit_learn(missing: bool) -> None:
    x = sample()
    if missing:
        x[np.random.default_rng(1).random(x.shape) < 0.1] = np.nan
    filled = np.where(np.isnan(x), np.nanmedian(x, axis=0), x).astype(np.float64)
    standard = StandardScaler().fit(x.astype(np.float64)).transform(filled)
    np.testing.assert_allclose(apply(fit(x, "zscore"), x), np.clip(standard, -3, 3), rtol=1e-5, atol=1e-5)
    robust = RobustScaler().fit(x.astype(np.float64)).transform(filled)
    np.testing.assert_allclose(apply(fit(x, "robust"), x), robust, rtol=1e-5, atol=1e-5)
    assert np.abs(standard).max() > 3 and np.abs(robust).max() > 3  # so that clipping is seen


@pytest.mark.parametrize("method", ["zscore", "robust"])
def test_constant_and_empty_features_are_0(method: str) -> None:
    x = sample()
    x[:, 2] = 0.1
    x[:, 5] = np.nan
    x[:, 7] = np.nan
    x[3, 7] = 4
    scaler = fit(x, method)  # type: ignore[arg-type]
    assert scaler.scale[[2, 5, 7]].tolist() == [0, 0, 0]
    new = np.full((1, 12), 1e6, np.float32)
    assert apply(scaler, new)[0, [2, 5, 7]].tolist() == [0, 0, 0]
    assert (apply(scaler, new)[0, [0, 1, 3]] > 0).all()
    assert np.isfinite(apply(scaler, x)).all() and apply(scaler, x).dtype == np.float32


def test_quartiles_that_coincide_count_as_1_apart() -> None:
    x = np.zeros((100, 1), np.float32)
    x[:5] = 8
    np.testing.assert_allclose(apply(fit(x, "robust"), x), RobustScaler().fit_transform(x))


@pytest.mark.parametrize("method", ["zscore", "robust"])
def test_rows_outside_training_change_nothing(method: str) -> None:
    x = sample()
    rows = np.random.default_rng(2).permutation(150)[:90]
    other = x.copy()
    outside = np.setdiff1d(np.arange(150), rows)
    other[outside] = np.random.default_rng(3).permutation(other[outside]) * 1000
    first, second = fit(x, method, rows), fit(other, method, rows)  # type: ignore[arg-type]
    for name in ("centre", "scale", "fill"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    np.testing.assert_array_equal(apply(first, x[rows]), apply(fit(x[rows], method), x[rows]))  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["zscore", "robust"])
def test_chunks_of_a_mapped_matrix(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = sample()
    x[4, 6] = np.nan
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    whole = fit(x, method)  # type: ignore[arg-type]
    expected = apply(whole, x)
    monkeypatch.setattr(scaling, "_CHUNK_BYTES", 8 * 150 * 5)
    chunked = fit(mapped, method)  # type: ignore[arg-type]
    np.testing.assert_allclose(chunked.centre, whole.centre, rtol=1e-12)
    np.testing.assert_array_equal(apply(whole, mapped), expected)


def test_what_cannot_be_scaled_is_refused() -> None:
    x = sample()
    scaler = fit(x, "zscore")
    x[8, 9] = np.inf
    with pytest.raises(LeukoFlowError, match="feature 9 is infinite"):
        fit(x, "zscore")
    with pytest.raises(LeukoFlowError, match="feature 9 is infinite"):
        apply(scaler, x)
    with pytest.raises(LeukoFlowError, match="no rows"):
        fit(x, "robust", np.zeros(0, int))
    with pytest.raises(LeukoFlowError, match="fitted on 12 features"):
        apply(scaler, x[:, :5])
