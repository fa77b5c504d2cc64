"""Duplicates: planted ones are found, others are not; real ones as known."""

import hashlib
import os
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from leukoflow.config.quality import Quality
from leukoflow.core.errors import LeukoFlowError
from leukoflow.quality.description import Images
from leukoflow.quality.duplicates import find_duplicates, symmetry
from leukoflow.quality.hashing import difference_hash, grey_thumbnail, to_hex
from leukoflow.quality.orientations import TURNED, laid
from leukoflow.quality.sets import MOST_TOGETHER
from leukoflow.quality.similarity import COARSE, FINE, Squares, correlations, similar
from leukoflow.quality.thumbnails import Thumbnails

DATA = os.environ.get("LEUKOFLOW_DATA")


def field(seed: int, side: int = 224) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = np.full((side, side, 3), (236, 236, 244), np.uint8)
    for _ in range(30):
        grey = int(rng.integers(80, 200))
        cv2.circle(image, tuple(map(int, rng.integers(0, side, 2))), side // 16, (grey, grey, 220), -1, cv2.LINE_AA)
    return image


def shifted(image: np.ndarray, x: float, y: float) -> np.ndarray:
    matrix = np.array([[1, 0, x], [0, 1, y]], float)
    return cv2.warpAffine(image, matrix, image.shape[1::-1], borderMode=cv2.BORDER_REFLECT_101)


def related(
    folder: Path,
    images: list[np.ndarray],
    cohorts: list[str] | None = None,
    labels: list[str | None] | None = None,
    **settings: float,
) -> pd.DataFrame:
    np.save(folder / "thumbnails.npy", np.stack([grey_thumbnail(image) for image in images]))
    table = pd.DataFrame(
        {
            "cohort": cohorts or ["home"] * len(images),
            "image_id": [f"{number}.jpg" for number in range(len(images))],
            "label": labels or [None] * len(images),
            "sha256": [hashlib.sha256(image.tobytes()).hexdigest() for image in images],
            "width": [image.shape[1] for image in images],
            "height": [image.shape[0] for image in images],
            "dhash": [to_hex(difference_hash(image)) for image in images],
        }
    )
    return find_duplicates(Images.of(table, Thumbnails([folder / "thumbnails.npy"])), Quality(**settings))


def named(pairs: pd.DataFrame) -> dict[tuple[str, str], str]:
    return {(row.image_a.split(".")[0], row.image_b.split(".")[0]): row.kind for row in pairs.itertuples()}


def test_planted_duplicates_are_found_and_nothing_else(tmp_path: Path) -> None:
    images = [field(seed) for seed in range(12)]
    images += [images[0].copy(), shifted(images[1], 2.4, -1.7), cv2.resize(field(2, 224), (640, 480))]
    images += [cv2.imdecode(cv2.imencode(".jpg", images[3], [cv2.IMWRITE_JPEG_QUALITY, 60])[1], 1)]
    cohorts = ["home"] * 14 + ["away"] * 2
    pairs = related(tmp_path, images, cohorts)
    assert named(pairs) == {("0", "12"): "identical", ("1", "13"): "near", ("2", "14"): "near", ("3", "15"): "near"}
    assert pairs["cohort_a"].tolist() == ["home"] * 4 and pairs["cohort_b"].tolist() == ["home"] * 2 + ["away"] * 2
    assert (pairs["correlation"] <= 1).all() and pairs.loc[pairs["kind"] == "identical", "correlation"].eq(1).all()


def test_a_shift_is_undone() -> None:
    image = field(1)
    first, moved, other = (grey_thumbnail(picture) for picture in (image, shifted(image, 7, -10.5), field(2)))
    same, near, far = correlations(np.stack([first, moved, other]), first)
    assert same == pytest.approx(1, abs=1e-4) and near > 0.97 and far < 0.5


def test_correlations_are_pearson_s_of_what_lies_between_two_blurs() -> None:
    def details(thumbnail: np.ndarray) -> np.ndarray:
        values = thumbnail.astype(float)
        options = {"mode": "mirror", "truncate": 4.0}
        return gaussian_filter(values - gaussian_filter(values, COARSE, **options), FINE, **options)

    random = np.random.default_rng(0)
    pictures = np.stack([grey_thumbnail(field(seed)) for seed in range(3)])
    noise = cv2.GaussianBlur(random.integers(0, 256, (3, 64, 64)).astype(np.uint8), (3, 3), 0)
    thumbnails = np.concatenate([pictures, noise])
    for other in (pictures[0], noise[0]):
        moved = [details(other)[y : y + 56, x : x + 56].ravel() for y in range(9) for x in range(9)]
        inner = [details(thumbnail)[4:60, 4:60].ravel() for thumbnail in thumbnails]
        expected = [max(np.corrcoef(one, window)[0, 1] for window in moved) for one in inner]
        np.testing.assert_allclose(correlations(thumbnails, other), expected, atol=2e-3)


@pytest.mark.parametrize("move", [(0, 0), (1, -2), (4, 3)])
def test_no_correlation_exceeds_its_bound_and_bounds_tell_duplicates_from_others(move: tuple[int, int]) -> None:
    thumbnails = np.stack([grey_thumbnail(field(seed)) for seed in range(12)] + [np.full((64, 64), 90, np.uint8)])
    squares, every = Squares(len(thumbnails)), np.arange(len(thumbnails))
    squares.put(every, thumbnails)
    for row in range(3):
        other = np.roll(thumbnails[row], move, (0, 1))
        bounds, true = squares.bounds(every, other), correlations(thumbnails, other)
        assert (bounds >= true).all() and true[row] > 0.95
        assert (np.delete(bounds, row) < 0.8).sum() >= 11
    assert (squares.bounds(every, thumbnails[-1]) >= 0).all()


def test_pairs_that_cannot_be_duplicates_are_left_out_and_no_others(tmp_path: Path) -> None:
    pictures = [shifted(field(seed), x, -x) for seed in range(6) for x in (0, 3, 7.5, 40)]
    np.save(tmp_path / "thumbnails.npy", np.stack([grey_thumbnail(picture) for picture in pictures]))
    thumbnails = Thumbnails([tmp_path / "thumbnails.npy"])
    pairs = np.array(list(combinations(range(len(pictures)), 2)))
    every = np.array([correlations(thumbnails[i][None], thumbnails[j])[0] for i, j in pairs])
    for least in (0.3, 0.8, 0.97):
        some = similar(pairs, thumbnails, least)
        np.testing.assert_array_equal(some >= least, every >= least)
        np.testing.assert_allclose(some[some > 0], every[some > 0], atol=1e-6)
    assert (similar(pairs, thumbnails, 0.8) > 0).sum() < 0.2 * len(pairs) and (every >= 0.8).any()


def test_flat_thumbnails_are_like_none() -> None:
    flat, picture = np.full((64, 64), 90, np.uint8), grey_thumbnail(field(1))
    assert correlations(np.stack([flat, picture]), flat).tolist() == [0, 0]
    assert correlations(np.stack([flat, picture]), picture).tolist() == [0, pytest.approx(1, abs=1e-4)]


def test_blank_images_are_no_near_duplicates(tmp_path: Path) -> None:
    blank = [np.full((40, 40, 3), level, np.uint8) for level in (200, 201, 202)]
    assert related(tmp_path, [*blank, field(0), field(1)]).empty


def test_many_images_with_one_hash_cost_no_square(tmp_path: Path) -> None:
    many = 3 * MOST_TOGETHER
    pairs = related(tmp_path, [field(0)] * many)
    assert len(pairs) == many - 1 and set(pairs["image_a"]) == {"0.jpg"}


def test_damaged_thumbnails_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(b"no array")
    np.save(tmp_path / "b.npy", np.zeros((2, 32, 32), np.uint8))
    for name in ("a.npy", "b.npy"):
        with pytest.raises(LeukoFlowError, match=name):
            Thumbnails([tmp_path / name])


def compressed(image: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 75])[1], 1))


def positioned(image: np.ndarray, position: int) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(laid(np.moveaxis(image, -1, 0), position), 0, -1))


def turned(image: np.ndarray, degrees: float, border: int = cv2.BORDER_CONSTANT, value: int = 0) -> np.ndarray:
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    return cv2.warpAffine(image, matrix, (width, height), borderMode=border, borderValue=(value,) * 3)


def cropped(image: np.ndarray, share: float, x: float, y: float, resized: bool = True) -> np.ndarray:
    height, width = (round(side * share) for side in image.shape[:2])
    top, left = round((image.shape[0] - height) * y), round((image.shape[1] - width) * x)
    part = np.ascontiguousarray(image[top : top + height, left : left + width])
    return cv2.resize(part, image.shape[1::-1]) if resized else part


@pytest.mark.parametrize("shape", [(224, 224), (240, 320)])
def test_mirrored_and_turned_copies_are_found_in_their_position_and_nothing_else(
    tmp_path: Path, shape: tuple[int, int]
) -> None:
    images = [cv2.resize(field(seed, 320), shape[::-1]) for seed in range(14)]
    images += [
        compressed(cv2.convertScaleAbs(positioned(images[position], position), alpha=1.1, beta=-8))
        for position in range(1, 8)
    ]
    pairs = related(tmp_path, images)
    assert named(pairs) == {(str(position), str(13 + position)): "turned" for position in range(1, 8)}
    assert dict(zip(pairs["image_a"], pairs["change"], strict=True)) == {
        f"{position}.jpg": TURNED[position] for position in range(1, 8)
    }
    assert (pairs["correlation"] > 0.9).all() and (pairs["hash_distance"] <= 11).all()


@pytest.mark.parametrize("shape", [(224, 224), (240, 320)])
def test_turned_cropped_and_shifted_copies_are_found_and_said_to_be_so(tmp_path: Path, shape: tuple[int, int]) -> None:
    images = [cv2.resize(field(seed, 320), shape[::-1]) for seed in range(14)]
    planted = {
        "turned by 15 degrees": turned(images[0], 15),
        "turned by 20 degrees": turned(images[1], -20, value=255),
        "turned by 30 degrees": turned(images[2], 30, cv2.BORDER_REFLECT_101),
        "mirrored, turned by 45 degrees": turned(positioned(images[3], 1), 45),
        "cropped to 90 % of the side": cropped(images[4], 0.9, 0.5, 0.5),
        "mirrored, cropped to 90 % of the side": positioned(cropped(images[5], 0.9, 0.1, 0.8, resized=False), 1),
        "cropped to 80 % of the side": cropped(images[6], 0.8, 1, 1),
    }
    images += [compressed(picture) for picture in planted.values()]
    pairs = related(tmp_path, images)
    assert named(pairs) == {(str(number), str(14 + number)): "moved" for number in range(len(planted))}
    assert pairs["change"].tolist() == list(planted)
    assert pairs["hash_distance"].isna().all() and (pairs["correlation"] >= 0.9).all()


def test_a_part_of_a_picture_that_is_there_twice_is_paired_with_both(tmp_path: Path) -> None:
    images = [field(0), field(1), field(0), turned(field(0), 15), turned(field(0), 15), field(2)]
    pairs = named(related(tmp_path, images))
    assert pairs.pop(("0", "2")) == pairs.pop(("3", "4")) == "identical"
    assert pairs == dict.fromkeys((("0", "3"), ("0", "4"), ("2", "3"), ("2", "4")), "moved")


def round_cell(seed: int) -> np.ndarray:
    """A disc with a nucleus and chromatin of its own, alone on an empty ground."""
    rng = np.random.default_rng(seed)
    image = np.full((224, 224), 230, np.uint8)
    cv2.circle(image, tuple((112 + rng.integers(-4, 5, 2)).tolist()), int(rng.integers(60, 72)), 165, -1)
    cv2.circle(image, tuple((112 + rng.integers(-8, 9, 2)).tolist()), int(rng.integers(36, 46)), 80, -1)
    chromatin = cv2.GaussianBlur(rng.normal(0, 1, image.shape), (0, 0), 7)
    chromatin *= 12 / chromatin.std() * (image < 200)
    grey = cv2.GaussianBlur(np.clip(image + chromatin, 0, 255).astype(np.uint8), (0, 0), 3)
    return np.repeat(grey[..., None], 3, axis=2)


def test_different_round_cells_are_no_copies_but_a_copy_of_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [round_cell(seed) for seed in range(20)]
    planted = round_cell(20)
    images = [*cells, planted, compressed(turned(planted, 25, value=230))]
    assert named(related(tmp_path, images)) == {("20", "21"): "moved"}
    monkeypatch.setattr("leukoflow.quality.duplicates.MOST_LACKING", 10)
    assert len(related(tmp_path, images)) > 3  # symmetry is what keeps them apart


def test_symmetry_is_that_of_the_picture() -> None:
    square, disc = np.ones(2), np.full((64, 64), 230, np.uint8)
    cv2.circle(disc, (32, 32), 14, 80, -1)
    assert symmetry(disc, square) > 0.9 and symmetry(grey_thumbnail(field(0)), square) < 0.5


def test_labels_differ_within_a_cohort_and_across_cohorts_that_use_both_names(tmp_path: Path) -> None:
    images = [field(0), field(0), field(1), positioned(field(1), 1), field(2), field(2), field(3), field(3), field(4)]
    images += [field(4), field(5), field(5)]
    cohorts = ["home"] * 4 + ["home", "away"] * 4
    labels = ["Pre", "Pro", "Pre", "Early", "Pro", "Benign", "Pre", "pre-B", "Pre", None, "Benign", "Benign"]
    pairs = related(tmp_path, images, cohorts, labels)
    differ = dict(zip(zip(pairs["image_a"], pairs["image_b"], strict=True), pairs["labels_differ"], strict=True))
    expected = {(0, 1): True, (2, 3): True, (4, 5): True, (6, 7): False, (8, 9): False, (10, 11): False}
    assert differ == {(f"{a}.jpg", f"{b}.jpg"): truth for (a, b), truth in expected.items()}
    assert pairs[["label_a", "label_b"]].values.tolist()[:2] == [["Pre", "Pro"], ["Pre", "Early"]]


@pytest.mark.skipif(not DATA, reason="LEUKOFLOW_DATA (folder of real images) is not set")
def test_real_duplicates(tmp_path: Path) -> None:
    """In Pro 31 pairs of the same file; the labelled pictures of the second cohort meet their partners."""
    root = Path(str(DATA))
    taleqani = sorted((root / "taleqani/Original/Pro").glob("*.jpg"))
    taleqani += [
        root / f"taleqani/Original/{name}.jpg"
        for name in ("Benign/WBC-Benign-048", "Pre/WBC-Malignant-Pre-038", "Early/WBC-Malignant-Early-010")
    ]
    other = [file for file in sorted((root / "hosseini_samples").glob("*/*.jpg")) if file.parent.name != "unlabelled"]
    files = taleqani + other
    images = [np.asarray(cv2.imread(str(file))) for file in files]
    pairs = related(tmp_path, images, ["own"] * len(taleqani) + ["other"] * len(other))
    stems = [file.stem for file in files]
    across = pairs[(pairs["cohort_a"] == "own") & (pairs["cohort_b"] == "other")]
    matches = {
        (stems[int(a[:-4])], stems[int(b[:-4])]) for a, b in zip(across["image_a"], across["image_b"], strict=True)
    }
    assert matches == {
        ("WBC-Benign-048", "Benign_47"),
        ("WBC-Malignant-Pre-038", "Pre-B_31"),
        ("WBC-Malignant-Early-010", "early Pre-B_9"),
        ("WBC-Malignant-Pro-134", "Pro-B_133"),
        ("WBC-Malignant-Pro-135", "Pro-B_133"),
    }
    assert (across["correlation"] > 0.99).all()
    within = pairs[pairs["cohort_b"] == "own"]
    assert (within["kind"] == "identical").sum() == 31 and (within["kind"] == "near").sum() >= 11
