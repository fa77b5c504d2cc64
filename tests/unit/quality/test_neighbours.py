"""The search for near hashes against comparing all with all."""

from itertools import pairwise

import numpy as np
import pytest

from leukoflow.quality.comparison import close
from leukoflow.quality.neighbours import close_between


@pytest.fixture(params=["plain", "compiled"], autouse=True)
def loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leukoflow.quality.neighbours.COMPILED_FROM", 0 if request.param == "compiled" else 10**9)


def all_with_all(hashes: np.ndarray, distance: int) -> list[tuple[int, int]]:
    differ = np.bitwise_count(hashes[:, None] ^ hashes[None])
    first, second = np.nonzero(np.triu(differ <= distance, 1))
    return list(zip(first.tolist(), second.tolist(), strict=True))


def crowded(seed: int) -> np.ndarray:
    """Hashes up to nine bits away from a dozen others, some of them equal, in any order."""
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 2**64, 12, dtype=np.uint64)
    hashes = np.repeat(centres, 25)
    for _ in range(9):
        hashes ^= np.uint64(1) << rng.integers(0, 64, len(hashes)).astype(np.uint64)
    return rng.permutation(np.concatenate([hashes, hashes[:20], centres, np.array([0, 2**64 - 1], np.uint64)]))


@pytest.mark.parametrize("distance", [0, 1, 3, 4, 7, 8, 11])
def test_finds_exactly_what_comparing_all_with_all_finds(distance: int) -> None:
    hashes = crowded(distance)
    pairs = close(hashes, distance).tolist()
    assert sorted(map(tuple, pairs)) == all_with_all(hashes, distance)  # each once


@pytest.mark.parametrize("distance", [0, 7, 11])
def test_parts_share_the_pairs_among_them(distance: int) -> None:
    hashes = crowded(5)
    edges = [0, 1, 100, 100, 250, len(hashes)]
    spans = [slice(*span) for span in pairwise(edges)]
    parts = [close(hashes, distance, span) for span in spans]
    assert all(
        ((pairs[:, 1] >= span.start) & (pairs[:, 1] < span.stop)).all()
        for pairs, span in zip(parts, spans, strict=True)
    )
    assert sorted(map(tuple, np.concatenate(parts).tolist())) == all_with_all(hashes, distance)


def test_few_hashes() -> None:
    for hashes in ([], [5]):
        assert close(np.array(hashes, np.uint64), 11).shape == (0, 2)
    pairs, distances = close_between(np.array([], np.uint64), np.array([5], np.uint64), 11)
    assert pairs.shape == (2, 0) and len(distances) == 0


def test_hashes_that_share_a_block_are_met_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = np.unique(np.random.default_rng(0).integers(0, 2**20, 400).astype(np.uint64))
    whole = close_between(hashes, hashes, 6)[0]
    monkeypatch.setattr("leukoflow.quality.neighbours._CHUNK", 50)
    np.testing.assert_array_equal(close_between(hashes, hashes, 6)[0], whole)


def test_a_distance_it_cannot_search_is_refused() -> None:
    with pytest.raises(ValueError, match="0 to 11"):
        close(np.array([1, 2], np.uint64), 12)


@pytest.mark.parametrize("distance", [0, 5, 11])
def test_between_two_lists_it_finds_exactly_what_comparing_all_with_all_finds(distance: int) -> None:
    hashes = np.unique(crowded(distance))[:60]
    rng = np.random.default_rng(distance)
    queries = np.repeat(hashes, 5)
    for _ in range(9):
        queries ^= np.uint64(1) << rng.integers(0, 64, len(queries)).astype(np.uint64)
    queries = np.unique(np.concatenate([queries, hashes[:10]]))
    pairs, distances = close_between(queries, hashes, distance)
    differ = np.bitwise_count(queries[:, None] ^ hashes[None])
    np.testing.assert_array_equal(pairs, np.stack(np.nonzero(differ <= distance)))
    assert distances.tolist() == differ[pairs[0], pairs[1]].tolist() and len(distances) >= 10


def test_a_large_set_of_one_hash_is_compared_by_its_first_rows() -> None:
    """Blank fields, say: pairs must not go with the square of their number."""
    hashes = np.concatenate([np.zeros(500, np.uint64), np.ones(400, np.uint64), np.array([2**40], np.uint64)])
    pairs = close(hashes, 3)
    equal = hashes[pairs[:, 0]] == hashes[pairs[:, 1]]
    assert equal.sum() == 499 + 399 and set(pairs[equal][:, 0].tolist()) == {0, 500}
    assert (~equal).sum() == 32 * 32 + 32 + 32
    assert len(np.unique(pairs, axis=0)) == len(pairs) and (pairs[:, 0] < pairs[:, 1]).all()
