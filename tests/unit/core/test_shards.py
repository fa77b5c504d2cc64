"""How lists are cut into shards."""

from hypothesis import given
from hypothesis import strategies as st

from leukoflow.core.shards import SHARD_SIZE, SHARDS, shard_count, shard_slice


@given(st.integers(0, 10_000), st.integers(1, 600))
def test_shards_hold_every_row_once_in_order_and_are_as_equal_as_can_be(length: int, shards: int) -> None:
    cut = [range(length)[shard_slice(length, shard, shards)] for shard in range(shards)]
    assert [row for part in cut for row in part] == list(range(length))
    assert max(map(len, cut)) - min(map(len, cut)) <= 1


@given(st.integers(1, 10**8))
def test_there_are_no_more_shards_than_can_be_planned(images: int) -> None:
    shards = shard_count(images)
    assert 1 <= shards <= SHARDS
    assert images <= shards * SHARD_SIZE or shards == SHARDS
