"""Nearest thumbnails: those that correlation by NumPy finds, as they are and mirrored, and the same whatever the blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fruit_features.analysis.thumbnail_neighbours import (
    NearestThumbnails,
    deviations,
    mirror,
    search_thumbnails_by_index,
    squared_distances,
)
from tests.support.blocks import numbers_as_named, show_all_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Found = tuple[NDArray[np.int64], NDArray[np.float64]]


def thumbnails(n_rows: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (n_rows, 256)).astype(np.uint8)


def search(rows: NDArray[np.uint8], n_neighbours: int, block: int, *, backwards: bool = False) -> list[Found]:
    """The neighbours of all thumbnails, as they are and mirrored: numbers and squared distances."""
    found = show_all_blocks(lambda rows, start: NearestThumbnails(rows, start, n_neighbours), rows, block, backwards=backwards)
    sides = zip(*(nearest.kept for nearest in found), strict=True)
    return [(numbers_as_named(list(side)), np.concatenate([kept.squares for kept in side])) for side in sides]


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("block", [64, 1000])
def test_neighbours_are_those_that_correlate_best(side: int, block: int) -> None:
    rows = thumbnails(600)
    images = rows.reshape(-1, 16, 16)
    others = (images, images[:, :, ::-1])[side].reshape(len(rows), -1)
    correlations = np.corrcoef(rows, others)[: len(rows), len(rows) :]
    np.fill_diagonal(correlations, -np.inf)
    expected = np.argsort(-correlations, axis=1)[:, :3]
    numbers, squares = search(rows, 3, block)[side]
    np.testing.assert_array_equal(numbers, expected)
    np.testing.assert_allclose(squares, 2 - 2 * np.take_along_axis(correlations, expected, axis=1), atol=1e-12)


def test_brightness_and_contrast_make_no_difference() -> None:
    rows = thumbnails(50)
    darker = (rows[7].astype(int) // 2 + 20).astype(np.uint8)
    numbers, squares = search(np.vstack([rows, darker]), 1, 16)[0]
    assert numbers[50, 0] == 7
    assert squares[50, 0] < 1e-3


def test_a_mirrored_thumbnail_is_found_and_none_is_its_own_neighbour() -> None:
    rows = thumbnails(50)
    symmetric = np.maximum(rows[:1], mirror(rows[:1]))
    all_rows = np.vstack([rows, mirror(rows[7:8]), symmetric])
    as_they_are, mirrored = search(all_rows, 2, 16)
    assert mirrored[0][50, 0] == 7
    assert mirrored[0][7, 0] == 50
    assert mirrored[1][7, 0] == 0
    for numbers, _ in (as_they_are, mirrored):
        assert not (numbers == np.arange(len(all_rows))[:, np.newaxis]).any()


def test_what_is_of_one_grey_is_like_nothing() -> None:
    flat = np.full((3, 256), 9, np.uint8)
    np.testing.assert_array_equal(squared_distances(flat, np.vstack([flat[:1], thumbnails(2)])), [2, 2, 2])
    assert deviations(flat).tolist() == [0, 0, 0]


def test_deviations_are_those_of_numpy() -> None:
    rows = thumbnails(20)
    np.testing.assert_allclose(deviations(rows), rows.std(axis=1), rtol=1e-12)


@pytest.mark.parametrize("n_rows", [1, 2, 5])
def test_there_are_no_more_neighbours_than_other_thumbnails(n_rows: int) -> None:
    for _, squares in search(thumbnails(n_rows), 3, 2):
        assert (np.isfinite(squares).sum(axis=1) == min(3, n_rows - 1)).all()


@pytest.mark.parametrize("rows", [thumbnails(1).repeat(700, axis=0), np.zeros((700, 256), np.uint8)], ids=["equal", "black"])
def test_many_equal_thumbnails_have_the_first_ones_as_neighbours(rows: NDArray[np.uint8]) -> None:
    numbers, squares = search(rows, 3, 300)[0]
    assert numbers[0].tolist() == [1, 2, 3]
    assert numbers[500].tolist() == [0, 1, 2]
    assert len(np.unique(squares)) == 1


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_the_blocks_and_their_order_make_no_difference(data: st.DataObject) -> None:
    n_rows = data.draw(st.integers(1, 40))
    rows = thumbnails(5, data.draw(st.integers(0, 2**32)))[np.random.default_rng(0).integers(0, 5, n_rows)]
    rows[:, : data.draw(st.integers(0, 256))] //= 16
    expected = search(rows, 3, n_rows)
    for is_backwards in (False, True):
        found = search(rows, 3, data.draw(st.integers(1, n_rows)), backwards=is_backwards)
        for side, expected_side in zip(found, expected, strict=True):
            np.testing.assert_array_equal(side[0], expected_side[0])
            np.testing.assert_array_equal(side[1], expected_side[1])


@pytest.mark.parametrize("n_rows", [1, 3, 900])
def test_an_index_finds_the_same_of_few_thumbnails(n_rows: int) -> None:
    rows = thumbnails(n_rows)
    rows[n_rows // 2 :] = mirror(rows[: n_rows - n_rows // 2]) // 2 + 9
    for side, expected in enumerate(search(rows, 3, 128)):
        numbers, squares = (
            np.concatenate(parts)
            for parts in zip(
                *(found[2:] for found in search_thumbnails_by_index(rows, 3, n_threads=2) if found[1] == side), strict=True
            )
        )
        is_there = np.isfinite(expected[1])
        np.testing.assert_array_equal(squares, expected[1])
        np.testing.assert_array_equal(numbers[is_there], expected[0][is_there])


def test_a_copy_is_found_though_many_others_are_nearly_as_near() -> None:
    """All but the copy, which comes last, are as near as one another but for what float32 tells apart."""
    first = thumbnails(1)[0]
    alike = first.repeat(30).reshape(256, 30).T.copy()
    alike[np.arange(30), np.arange(30)] ^= 4
    numbers, squares = search(np.vstack([first[np.newaxis], alike, first[np.newaxis]]), 3, 32)[0]
    assert numbers[0, 0] == 31
    assert squares[0, 0] == 0
