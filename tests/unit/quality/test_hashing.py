"""Difference hash and thumbnail."""

import cv2
import numpy as np

from leukoflow.quality.hashing import difference_hash, from_hex, grey_thumbnail, to_hex, turned_hashes
from leukoflow.quality.orientations import INVERSE, TURNED, laid


def blobs(height: int = 180, width: int = 240, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), (236, 236, 244), np.uint8)
    for _ in range(25):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        cv2.circle(image, centre, int(rng.integers(8, 20)), tuple(map(int, rng.integers(60, 200, 3))), -1)
    return image


def test_bits_say_where_it_grows_brighter_to_the_right() -> None:
    columns = np.array([0, 10, 5, 20, 20, 30, 25, 40, 50], np.uint8)  # + - + = + - + +
    image = np.repeat(np.tile(columns, (8, 1))[..., None], 3, axis=2)
    assert difference_hash(image) == int("10101011" * 8, 2)
    assert difference_hash(np.full((5, 7, 3), 99, np.uint8)) == 0


def test_a_squeezed_copy_keeps_its_hash_and_another_picture_does_not() -> None:
    original = blobs(768, 1024)
    copy = np.asarray(cv2.resize(original, (224, 224), interpolation=cv2.INTER_NEAREST))
    differ = (difference_hash(original) ^ difference_hash(copy)).bit_count()
    other = (difference_hash(original) ^ difference_hash(blobs(seed=1))).bit_count()
    assert differ <= 6 < 15 < other


def test_hex_and_back() -> None:
    values = [0, 1, 2**63, 2**64 - 1]
    texts = [to_hex(value) for value in values]
    assert texts[1] == "0000000000000001" and all(len(text) == 16 for text in texts)
    assert from_hex(texts).tolist() == values


def test_thumbnail_is_the_mean_luminance_of_equal_areas() -> None:
    image = blobs(256, 128)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(float)
    expected = grey.reshape(64, 4, 64, 2).mean(axis=(1, 3))
    assert np.abs(grey_thumbnail(image) - expected).max() <= 0.51


def test_hashes_in_all_positions_are_those_of_the_pictures_so_laid() -> None:
    thumbnails = np.stack([grey_thumbnail(blobs(seed=seed)) for seed in range(3)])
    along, down = turned_hashes(thumbnails)
    for position in range(len(TURNED)):
        for picture, one, two in zip(laid(thumbnails, position), along[:, position], down[:, position], strict=True):
            small = cv2.resize(np.ascontiguousarray(picture), (9, 8), interpolation=cv2.INTER_AREA).astype(int)
            high = cv2.resize(np.ascontiguousarray(picture), (8, 9), interpolation=cv2.INTER_AREA).astype(int)
            wide_bits = "".join(str(int(bit)) for bit in (np.diff(small, axis=1) > 0).ravel())
            high_bits = "".join(str(int(bit)) for bit in (np.diff(high, axis=0) > 0).ravel())
            # Areas are rounded before or after the turn: a bit may differ where two are nearly equal.
            assert (int(one) ^ int(wide_bits, 2)).bit_count() <= 1
            assert (int(two) ^ int(high_bits, 2)).bit_count() <= 1


def test_positions_are_the_eight_symmetries_of_a_square_and_have_their_inverses() -> None:
    picture = np.arange(6).reshape(2, 3)
    assert len({laid(picture, position).tobytes() for position in range(8)}) == 8
    for position in range(8):
        np.testing.assert_array_equal(laid(laid(picture, position), INVERSE[position]), picture)
    np.testing.assert_array_equal(laid(picture, 1), picture[:, ::-1])  # mirrored left to right
    np.testing.assert_array_equal(laid(picture, 5), picture[::-1])  # mirrored top to bottom
    np.testing.assert_array_equal(laid(picture, 4), picture[::-1, ::-1])  # turned by 180 degrees
    np.testing.assert_array_equal(laid(picture, 7), picture.T)  # turned by 270 degrees and mirrored
