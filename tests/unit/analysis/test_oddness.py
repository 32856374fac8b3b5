"""Odd photos: planted ones are found, those that are nearly equal are not, and neither are photos of another kind."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fruit_features.analysis.oddness import FACTS, MAX_SHARE, MIN_PHOTOS, find_odd, robust_scores, score_distances, score_facts

THRESHOLD = 3.5
RNG = np.random.default_rng(0)
USUAL = {
    "brightness": RNG.normal(0.5, 0.05, 200),
    "contrast": RNG.normal(0.2, 0.02, 200),
    "sharpness": np.exp(RNG.normal(6, 0.3, 200)),
    "width": np.full(200, 640.0),
    "height": np.full(200, 480.0),
}


def odd_photos(**changes: tuple[int, float]) -> dict[str, list[int]]:
    """Kinds and photos that are found when facts of one photo each are changed."""
    facts = {name: values.copy() for name, values in USUAL.items()}
    for name, (photo, value) in changes.items():
        facts[name][photo] = value
    found = {kind: find_odd(scores, THRESHOLD)[0].tolist() for kind, scores in score_facts(facts, THRESHOLD).items()}
    return {kind: photos for kind, photos in found.items() if photos}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"brightness": (7, 0.05)}, {"dark": [7]}),
        ({"brightness": (7, 0.97)}, {"bright": [7]}),
        ({"contrast": (7, 0.05), "sharpness": (7, 20.0)}, {"low_contrast": [7]}),
        ({"sharpness": (7, 5.0)}, {"blurry": [7]}),
        ({"width": (7, 2560.0), "height": (7, 1920.0)}, {"odd_size": [7]}),
        ({"width": (7, 64.0), "height": (7, 48.0)}, {"odd_size": [7]}),
        ({"width": (7, 700.0), "height": (7, 400.0)}, {}),
        ({"width": (7, 900.0), "height": (7, 340.0)}, {"odd_aspect_ratio": [7]}),
        ({"width": (7, 480.0), "height": (7, 640.0)}, {}),  # upright instead of lying is not odd
    ],
)
def test_what_differs_is_found(changes: dict[str, tuple[int, float]], expected: dict[str, list[int]]) -> None:
    assert odd_photos(**changes) == expected


def test_photos_of_another_kind_are_not_odd() -> None:
    """A tenth of the photos has another size."""
    facts = {name: values.copy() for name, values in USUAL.items()}
    facts["width"][:20] = facts["height"][:20] = 64
    for kind in ("odd_size", "odd_aspect_ratio"):
        assert not len(find_odd(score_facts(facts, THRESHOLD)[kind], THRESHOLD)[0])


@given(st.integers(1, 40), st.sampled_from([0.0, 0.3, 1.0]))
def test_equal_photos_are_not_odd(n_photos: int, value: float) -> None:
    facts = {name: np.full(n_photos, value) for name in FACTS}
    for scores in score_facts(facts, THRESHOLD).values():
        assert not len(find_odd(scores, THRESHOLD)[0])


@given(st.lists(st.floats(-1e3, 1e3), min_size=MIN_PHOTOS, max_size=100), st.floats(0.1, 10))
def test_scores_do_not_depend_on_the_order_and_odd_ones_are_few(values: list[float], threshold: float) -> None:
    numbers = np.array(values)
    scores = robust_scores(numbers, 0.5)
    np.testing.assert_array_equal(robust_scores(numbers[::-1], 0.5), scores[::-1])
    positions, oddness = find_odd(scores, threshold)
    assert len(positions) <= max(1, MAX_SHARE * len(values))
    assert ((oddness >= 0) & (oddness < 1)).all()


def test_few_photos_have_no_scores() -> None:
    assert np.isnan(robust_scores(np.arange(MIN_PHOTOS - 1.0), 0.1)).all()


def test_missing_numbers_have_no_score_and_spoil_no_others() -> None:
    values = np.arange(20.0)
    values[3] = np.nan
    scores = robust_scores(values, 0.1)
    assert np.isnan(scores[3])
    assert np.isfinite(np.delete(scores, 3)).all()


def test_an_outlier_is_far_for_all_and_for_its_label() -> None:
    distances = np.concatenate([RNG.normal(10, 1, 60), RNG.normal(40, 2, 20), [45.0]])
    labels: list[str | None] = [*["tight"] * 60, *["loose"] * 20, "tight"]
    positions, _ = find_odd(score_distances(distances, labels, THRESHOLD), THRESHOLD)
    assert positions.tolist() == [80], "photos of the loose label are as far apart as is usual there"


def test_photos_without_a_label_are_compared_with_all() -> None:
    distances = np.concatenate([RNG.normal(10, 1, 60), [45.0]])
    assert find_odd(score_distances(distances, [None] * 61, THRESHOLD), THRESHOLD)[0].tolist() == [60]


def test_among_bright_photos_a_still_brighter_one_is_odd() -> None:
    facts = USUAL | {"brightness": np.linspace(0.55, 0.85, 200)}
    facts["brightness"][7] = 0.95
    assert find_odd(score_facts(facts, THRESHOLD)["bright"], THRESHOLD)[0].tolist() == [7]
