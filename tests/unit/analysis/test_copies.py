"""Copies: what decides between a copy and the next frame of a film, and how copies are grouped."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fruit_features.analysis.copies import CandidatePairs, group_copies


def is_copy(distance: float, surroundings: tuple[float, float] = (9, 9), contrast: float = 60) -> bool:
    around = np.array([surroundings]) / contrast
    pair = CandidatePairs(np.array([distance]), np.array([distance / contrast]), around)
    (answer,) = pair.are_copies(1.2).tolist()
    return bool(answer)


@pytest.mark.parametrize(
    ("distance", "surroundings", "expected"),
    [
        (1.0, (9, 9), True),
        (1.3, (9, 9), False),  # too far, however lonely
        (1.0, (1.5, 9), False),  # one of them has others that are about as near: a frame of a film
        (1.0, (9, 1.5), False),
        (1.0, (np.inf, np.inf), True),  # there are no three others
        (1.0, (9, np.nan), False),  # nothing is known of the other one: nearer ones are around it
        (0.5, (0.6, 0.6), True),  # no farther than rounding takes it
    ],
)
def test_a_copy_is_nearer_than_its_surroundings(distance: float, surroundings: tuple[float, float], *, expected: bool) -> None:
    assert is_copy(distance, surroundings) is expected


def test_photos_of_little_contrast_are_no_copies_of_one_another() -> None:
    assert is_copy(0.3, contrast=6)
    assert not is_copy(0.3, contrast=5)


def test_the_greatest_distance_bounds_sure_copies_too() -> None:
    pair = CandidatePairs(np.array([0.4]), np.array([0.01]), np.array([[0.2, 0.2]]))
    assert pair.are_copies(0.5).all()
    assert not pair.are_copies(0.3).any()


def test_copies_of_copies_are_in_one_group() -> None:
    assert group_copies(7, [(4, 2), (2, 6), (1, 5)]).tolist() == [0, 1, 2, 3, 2, 1, 2]


def test_without_pairs_every_photo_is_alone() -> None:
    assert group_copies(3, []).tolist() == [0, 1, 2]
    assert group_copies(0, []).tolist() == []


@given(st.integers(1, 12).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, n - 1)] * 2)))))
def test_groups_are_those_of_a_naive_search(drawn: tuple[int, list[tuple[int, int]]]) -> None:
    n_photos, pairs = drawn
    lowest = list(range(n_photos))
    for _ in range(n_photos):
        for first, second in pairs:
            lowest[first] = lowest[second] = min(lowest[first], lowest[second])
    assert group_copies(n_photos, pairs).tolist() == lowest
