"""In which chunks photos are featurized, and how many tasks a chunk has."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fruit_features.spark.chunks import (
    MAX_CHUNKS,
    PHOTO_OVERHEAD,
    SECONDS_PER_CHUNK,
    TASK_WORK,
    Pace,
    count_tasks,
    plan_chunks,
)
from fruit_features.spark.feature_store import N_SLOTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WORK_OF_A_SMALL_PHOTO = PHOTO_OVERHEAD + 5000

photos_by_slot = st.dictionaries(st.integers(0, N_SLOTS - 1), st.integers(1, 30), max_size=40)
sizes = st.one_of(st.just([math.inf]), st.lists(st.floats(0.1, 300), min_size=1))


def one_after_the_other(wanted: list[float]) -> Callable[[], float]:
    """Sizes of chunks that are wanted; the last one again and again."""
    left: Iterator[float] = iter(wanted)
    return lambda: next(left, wanted[-1])


def is_as_much_as_fits() -> float:
    return math.inf


# --- plan_chunks ------------------------------------------------------------------------------------------------------


@given(photos_by_slot, st.integers(1, 200), sizes)
def test_every_slot_is_in_one_chunk_and_in_order(
    photos_per_slot: dict[int, int], chunk_size: int, wanted: list[float]
) -> None:
    chunks = list(plan_chunks(photos_per_slot, chunk_size, one_after_the_other(wanted)))
    assert [slot for chunk in chunks for slot in chunk] == sorted(photos_per_slot)
    assert all(chunks), "an empty chunk would cost a Spark job"


@given(photos_by_slot, st.integers(1, 200), sizes)
def test_a_chunk_exceeds_its_size_by_less_than_one_slot(
    photos_per_slot: dict[int, int], chunk_size: int, wanted: list[float]
) -> None:
    largest_slot = max(photos_per_slot.values(), default=0)
    for chunk in plan_chunks(photos_per_slot, chunk_size, one_after_the_other(wanted)):
        assert sum(photos_per_slot[slot] for slot in chunk) < chunk_size + largest_slot


@given(photos_by_slot, sizes)
def test_a_chunk_has_at_most_half_as_many_photos_again_as_are_wanted(
    photos_per_slot: dict[int, int], wanted: list[float]
) -> None:
    largest_slot = max(photos_per_slot.values(), default=0)
    next_wanted = one_after_the_other(wanted)
    for chunk in plan_chunks(photos_per_slot, 10_000, one_after_the_other(wanted)):
        assert sum(photos_per_slot[slot] for slot in chunk) < 1.5 * next_wanted() + largest_slot


@given(photos_by_slot, st.integers(1, 200))
def test_there_are_no_more_chunks_than_photos_fill(photos_per_slot: dict[int, int], chunk_size: int) -> None:
    n_full = -(-sum(photos_per_slot.values()) // chunk_size)
    assert len(list(plan_chunks(photos_per_slot, chunk_size, is_as_much_as_fits))) <= n_full


@given(st.sets(st.integers(0, N_SLOTS - 1), min_size=1, max_size=200), st.integers(1, 50))
def test_chunks_are_even_where_slots_are(slots: set[int], chunk_size: int) -> None:
    sizes = [len(chunk) for chunk in plan_chunks(dict.fromkeys(slots, 1), chunk_size, is_as_much_as_fits)]
    assert max(sizes) <= chunk_size
    assert max(sizes) - min(sizes) <= 1


# --- Pace -------------------------------------------------------------------------------------------------------------


def seconds_of_chunks(total: int, photos_per_second: float, *, n_cores: int = 2, seconds_to_start: float = 1.5) -> list[float]:
    """Run on a machine of a steady speed, where starting and saving take any chunk the same time."""
    pace = Pace(total, WORK_OF_A_SMALL_PHOTO, n_cores)
    seconds: list[float] = []
    for chunk in plan_chunks(dict.fromkeys(range(total), 1), 32_768, pace.wanted):
        seconds.append(seconds_to_start + len(chunk) / photos_per_second)
        pace.learn(len(chunk), seconds[-1])
    return seconds


@pytest.mark.parametrize("photos_per_second", [20, 60, 150, 400, 1000])
@pytest.mark.parametrize("total", [900, 3_000, 22_688])
def test_no_chunk_takes_more_than_half_a_minute_once_the_speed_is_known(total: int, photos_per_second: float) -> None:
    _, *others = seconds_of_chunks(total, photos_per_second)
    assert all(seconds <= 1.5 * SECONDS_PER_CHUNK + 1.5 for seconds in others)


def test_the_first_chunk_takes_seconds() -> None:
    assert seconds_of_chunks(3_000, 150)[0] < 10
    assert seconds_of_chunks(22_688, 400)[0] < 10


def test_a_long_run_soon_has_chunks_of_the_seconds_that_are_meant() -> None:
    _, _, *others = seconds_of_chunks(22_688, 150)
    assert all(0.7 * SECONDS_PER_CHUNK <= seconds <= 1.4 * SECONDS_PER_CHUNK for seconds in others)


def test_a_very_long_run_has_no_more_chunks_than_that() -> None:
    assert len(seconds_of_chunks(2_000_000, 150)) <= MAX_CHUNKS


def test_a_sample_of_a_few_hundred_photos_is_one_chunk() -> None:
    assert len(seconds_of_chunks(240, 140)) == len(seconds_of_chunks(240, 140, n_cores=1)) == 1


@given(st.integers(1, 10**8), st.integers(1, 10**6), st.floats(0, 1e6), st.integers(1, 1000))
def test_no_measurement_asks_for_no_photos_or_for_too_many_chunks(
    total: int, n_photos: int, seconds: float, n_cores: int
) -> None:
    pace = Pace(total, WORK_OF_A_SMALL_PHOTO, n_cores)
    pace.learn(n_photos, seconds)
    assert pace.wanted() >= total / MAX_CHUNKS > 0


# --- count_tasks ------------------------------------------------------------------------------------------------------


@given(st.floats(0, 1e12), st.integers(1, 64))
def test_every_core_has_as_many_tasks_of_a_few_seconds(work: float, n_cores: int) -> None:
    n_tasks = count_tasks(work, n_cores)
    assert n_tasks % n_cores == 0
    assert n_tasks >= n_cores
    assert abs(n_tasks - work / TASK_WORK) <= n_cores
