"""The search for near hashes against comparing all with all."""

import numpy as np
import pytest

from leukoflow.quality.neighbours import close_between, close_pairs


def all_with_all(hashes: np.ndarray, distance: int) -> set[tuple[int, int]]:
    bits = np.unpackbits(hashes[:, None].view(np.uint8), axis=1).astype(int)
    differ = (bits[:, None] != bits[None]).sum(axis=2)
    first, second = np.nonzero(np.triu(differ <= distance, 1))
    return set(zip(first.tolist(), second.tolist(), strict=True))


@pytest.mark.parametrize("distance", [0, 1, 3, 4, 7, 8, 11])
def test_finds_exactly_what_comparing_all_with_all_finds(distance: int) -> None:
    rng = np.random.default_rng(distance)
    centres = rng.integers(0, 2**64, 12, dtype=np.uint64)
    hashes = np.repeat(centres, 25)
    for _ in range(9):  # up to nine bits away from a centre
        hashes ^= np.uint64(1) << rng.integers(0, 64, len(hashes)).astype(np.uint64)
    hashes = np.unique(np.concatenate([hashes, centres, np.array([0, 2**64 - 1], np.uint64)]))
    pairs, distances = close_pairs(hashes, distance)
    expected = all_with_all(hashes, distance)
    assert set(zip(*pairs.tolist(), strict=True)) == expected
    assert pairs.shape[1] == len(expected)  # each once
    assert distances.tolist() == [int(hashes[i] ^ hashes[j]).bit_count() for i, j in pairs.T]


def test_few_hashes() -> None:
    for hashes in ([], [5]):
        pairs, distances = close_pairs(np.array(hashes, np.uint64), 11)
        assert pairs.shape == (2, 0) and len(distances) == 0


def test_hashes_that_share_a_block_are_met_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = np.unique(np.random.default_rng(0).integers(0, 2**20, 400).astype(np.uint64))
    whole = close_pairs(hashes, 6)[0]
    monkeypatch.setattr("leukoflow.quality.neighbours._CHUNK", 50)
    np.testing.assert_array_equal(close_pairs(hashes, 6)[0], whole)


def test_a_distance_it_cannot_search_is_refused() -> None:
    with pytest.raises(ValueError, match="0 to 11"):
        close_pairs(np.array([1, 2], np.uint64), 12)


@pytest.mark.parametrize("distance", [0, 5, 11])
def test_between_two_lists_it_finds_exactly_what_comparing_all_with_all_finds(distance: int) -> None:
    rng = np.random.default_rng(distance)
    hashes = np.unique(rng.integers(0, 2**64, 60, dtype=np.uint64))
    queries = np.repeat(hashes, 5)
    for _ in range(9):
        queries ^= np.uint64(1) << rng.integers(0, 64, len(queries)).astype(np.uint64)
    queries = np.unique(np.concatenate([queries, hashes[:10]]))
    pairs, distances = close_between(queries, hashes, distance)
    differ = np.bitwise_count(queries[:, None] ^ hashes[None])
    np.testing.assert_array_equal(pairs, np.stack(np.nonzero(differ <= distance)))
    assert distances.tolist() == differ[pairs[0], pairs[1]].tolist() and len(distances) >= 10
