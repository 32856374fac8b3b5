"""Reasons are counted without their numbers."""

from __future__ import annotations

from fruit_features.photos.reasons import group_reasons


def test_reasons_that_differ_by_numbers_are_one_and_the_most_frequent_comes_first() -> None:
    counts = {"empty file": 4, "truncated: 17 of 4096 bytes": 3, "truncated: 9 of 80 bytes": 2, "a lone reason": 4}
    assert list(group_reasons(counts).items()) == [("truncated: # of # bytes", 5), ("a lone reason", 4), ("empty file", 4)]


def test_nothing_was_rejected() -> None:
    assert group_reasons({}) == {}
