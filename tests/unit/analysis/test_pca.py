"""The PCA against numpy, and against itself however the photos are split."""

from __future__ import annotations

import math
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hypothesis_numpy

from fruit_features.analysis import pca
from fruit_features.analysis.pca import Moments, PcaModel

if TYPE_CHECKING:
    from random import Random

    from numpy.typing import NDArray


def features(n_photos: int = 60, n_features: int = 12, seed: int = 0) -> NDArray[np.float32]:
    """Features like a network's: correlated, with means far from 0, and as float32."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(n_photos, n_features)) * np.geomspace(3, 0.1, n_features)
    return (factors @ rng.normal(size=(n_features, n_features)) + 5).astype(np.float32)


def rank_deficient(rank: int = 4) -> NDArray[np.float32]:
    rng = np.random.default_rng(1)
    return (rng.normal(size=(50, rank)) @ rng.normal(size=(rank, 15)) + 2).astype(np.float32)


def moments_of(rows: NDArray[np.floating], *cuts: int) -> Moments:
    """Moments of blocks of rows, merged in the order of the blocks."""
    step = pca.grid_step(float(np.abs(rows).max()), len(rows))
    return pca.merge_all(Moments.of(block, step) for block in np.split(rows, cuts))


def fit(rows: NDArray[np.floating], threshold: float = 0.9, **options: object) -> PcaModel:
    return pca.fit(moments_of(rows), fingerprint="f", variance_threshold=threshold, **options)  # type: ignore[arg-type]


def with_variances(*variances: int) -> Moments:
    """Moments of three photos, whose features are uncorrelated and have exactly these variances."""
    return Moments(1.0, 3, np.zeros(len(variances), np.int64), np.diag(variances).astype(np.int64) * 2)


# --- the grid ---------------------------------------------------------------------------------------------------------


@given(st.floats(1e-30, 1e30), st.integers(0, 10**12))
def test_centred_products_of_a_grids_integers_fit_into_int64(largest: float, count: int) -> None:
    on_grid = math.ceil(largest / pca.grid_step(largest, count))
    assert max(count, 1) * (2 * on_grid) ** 2 < 2**63


@given(st.floats(1e-30, 1e30), st.integers(1, 10**6))
def test_the_grid_is_finer_than_a_millionth_of_the_largest_feature(largest: float, count: int) -> None:
    assert pca.grid_step(largest, count) / 2 <= 1e-6 * largest


def test_the_grid_of_nothing_is_some_grid() -> None:
    assert pca.grid_step(0.0, 0) > 0


def test_moments_on_different_grids_do_not_merge() -> None:
    coarse, fine = (Moments.of(features(), step) for step in (0.25, 0.125))
    with pytest.raises(ValueError, match=r"grids of 0\.25 and 0\.125"):
        coarse.merge(fine)


# --- moments ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_photos", [2, 60, 5000])
def test_mean_and_covariance_are_numpys(n_photos: int) -> None:
    rows = features(n_photos).astype(np.float64)
    moments = moments_of(rows)
    assert moments.count == n_photos
    grid = 1e-6 * np.abs(rows).max()
    np.testing.assert_allclose(moments.mean(), rows.mean(axis=0), atol=grid)
    deviation = rows.std(axis=0, ddof=1).max()
    np.testing.assert_allclose(moments.covariance(), np.cov(rows, rowvar=False), atol=4 * grid * deviation)


@pytest.mark.parametrize("n_photos", [1, 2047, 2048, 2049, 20_001])
def test_sums_are_exact_where_they_are_largest(n_photos: int) -> None:
    step = pca.grid_step(4.0, n_photos)
    rows = np.full((n_photos, 3), 4.0 - step) * [1, 1, -1]  # odd on the grid: a sum beyond 2**53 would be rounded
    moments = Moments.of(rows, step)
    integers = (rows / step).astype(int).astype(object)  # Python's own, of any size
    assert moments.total.tolist() == integers.sum(axis=0).tolist()
    assert moments.products.tolist() == (integers.T @ integers).tolist()


def test_products_cancel_no_digits_where_means_dwarf_variances() -> None:
    rows = np.random.default_rng(0).integers(-3, 4, (1000, 2)) / 1024 + 500  # all on the grid
    np.testing.assert_allclose(moments_of(rows).covariance(), np.cov(rows - 500, rowvar=False), rtol=1e-12)


def test_moments_leave_the_features_as_they_are() -> None:
    for rows in (features(), features().astype(np.float64)):
        before = rows.copy()
        moments_of(rows)
        np.testing.assert_array_equal(rows, before)


def test_merging_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 usable photos; there is none"):
        pca.merge_all([])


blocks_of_rows = st.lists(
    st.integers(1, 5).flatmap(
        lambda n_rows: hypothesis_numpy.arrays(np.float32, (n_rows, 3), elements=st.floats(-1000, 1000, width=32))
    ),
    min_size=3,
    max_size=6,
)


def bits(moments: Moments) -> tuple[int, bytes, bytes]:
    return moments.count, moments.total.tobytes(), moments.products.tobytes()


@settings(deadline=None)
@given(blocks_of_rows, st.randoms())
def test_any_split_and_any_order_give_the_same_bits(blocks: list[NDArray[np.float32]], random: Random) -> None:
    rows = np.concatenate(blocks)
    step = pca.grid_step(float(np.abs(rows).max()), len(rows))
    moments = [Moments.of(block, step) for block in blocks]
    shuffled = random.sample(moments, len(moments))
    whole = bits(Moments.of(rows, step))
    assert bits(pca.merge_all(moments)) == whole
    assert bits(pca.merge_all(shuffled)) == whole
    assert bits(reduce(lambda right, left: left.merge(right), reversed(moments))) == whole
    assert bits(Moments.of(rows[::-1], step)) == whole


@pytest.mark.parametrize("cuts", [[], [1], [30], [59], [20, 40], [1, 2, 3, 58], list(range(1, 60))])
def test_the_model_is_the_same_to_the_bit_whatever_the_split(cuts: list[int]) -> None:
    model, whole = (
        pca.fit(moments, fingerprint="f", variance_threshold=0.9)
        for moments in (moments_of(features(), *cuts), moments_of(features()))
    )
    assert model.eigenvectors.tobytes() == whole.eigenvectors.tobytes()
    assert model.eigenvalues.tobytes() == whole.eigenvalues.tobytes()
    assert model.mean.tobytes() == whole.mean.tobytes()


# --- how many components ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [(0.01, 1), (0.5, 1), (0.5000001, 2), (0.75, 2), (0.76, 3), (0.875, 3), (0.9, 4), (1.0, 4)],
)
def test_the_fewest_components_that_reach_the_threshold_are_kept(threshold: float, expected: int) -> None:
    moments = with_variances(8, 4, 2, 2)  # 1/2, 3/4, 7/8, 1: exact in binary, so a threshold can be met exactly
    model = pca.fit(moments, fingerprint="f", variance_threshold=threshold)
    assert model.n_components == expected


def test_a_threshold_of_one_keeps_what_has_variance_and_no_more() -> None:
    model = pca.fit(with_variances(4, 2, 1, 0, 0), fingerprint="f", variance_threshold=1.0)
    assert model.n_components == 3


def test_a_threshold_of_one_is_reached_where_rounding_leaves_the_sum_below_one() -> None:
    ratios = np.array([0.7, 0.1, 0.1, 0.1])
    assert np.cumsum(ratios)[-1] < 1
    assert pca.n_components_for(ratios, 1.0) == 4


def test_a_number_of_components_takes_the_place_of_the_threshold() -> None:
    for n_components in (1, 5, 12):
        model = fit(features(), threshold=0.5, n_components=n_components)
        assert model.n_components == n_components
        assert model.project(features()).shape == (60, n_components)


# --- what is refused --------------------------------------------------------------------------------------------------


def test_one_photo_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 usable photos; there is 1"):
        fit(features(1))


@pytest.mark.parametrize("value", [0.0, 0.1, 1234.567])
def test_equal_photos_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="features of all 7 usable photos are equal"):
        fit(np.full((7, 4), value, np.float32))


def test_small_differences_are_no_equality() -> None:
    assert fit(np.array([[1, 1], [1, 1 + 1e-5]], np.float32)).n_components == 1


def test_more_components_than_features_are_refused() -> None:
    with pytest.raises(ValueError, match=r"reduction\.n_components=13 exceeds the 12 features"):
        fit(features(), n_components=13)


# --- the model --------------------------------------------------------------------------------------------------------


def test_eigenvectors_are_orthonormal_and_their_variances_fall() -> None:
    model = fit(features(), threshold=1.0)
    np.testing.assert_allclose(model.eigenvectors @ model.eigenvectors.T, np.eye(12), atol=1e-12)
    assert (np.diff(model.eigenvalues) <= 0).all()
    variances = model.project(features()).var(axis=0, ddof=1, dtype=np.float64)
    np.testing.assert_allclose(variances, model.eigenvalues, rtol=1e-4, atol=1e-6 * model.eigenvalues[0])


def test_ratios_sum_to_one_and_count_every_feature() -> None:
    ratios = fit(features(), threshold=0.5).explained_variance_ratio
    assert ratios.shape == (12,)
    assert ratios.sum() == pytest.approx(1.0, abs=1e-12)


def test_ratios_are_never_negative() -> None:
    assert (fit(rank_deficient()).explained_variance_ratio >= 0).all()


@pytest.mark.parametrize("rows", [features(), -features(), rank_deficient()])
def test_the_loading_of_largest_magnitude_is_positive(rows: NDArray[np.float32]) -> None:
    eigenvectors = fit(rows, threshold=0.99).eigenvectors
    largest = np.take_along_axis(eigenvectors, np.abs(eigenvectors).argmax(axis=1)[:, np.newaxis], axis=1)
    assert (largest > 0).all()


def test_photos_are_projected_uncentred_by_default() -> None:
    rows = features()
    model = fit(rows, n_components=3)
    np.testing.assert_allclose(model.project(rows), rows.astype(np.float64) @ model.eigenvectors.T, rtol=1e-6, atol=1e-5)
    assert model.project(rows).dtype == np.float32


def test_centred_photos_have_components_of_mean_zero() -> None:
    rows = features()
    plain, centred = fit(rows, n_components=3), fit(rows, n_components=3, centred=True)
    np.testing.assert_array_equal(centred.eigenvectors, plain.eigenvectors)
    np.testing.assert_allclose(centred.project(rows).mean(axis=0), 0, atol=1e-5)
    shift = plain.project(rows) - centred.project(rows)
    np.testing.assert_allclose(shift, np.broadcast_to(plain.eigenvectors @ plain.mean, shift.shape), atol=1e-4)


def test_projecting_leaves_the_features_as_they_are() -> None:
    rows = features().astype(np.float64)
    before = rows.copy()
    fit(rows, n_components=2, centred=True).project(rows)
    np.testing.assert_array_equal(rows, before)


def test_the_model_remembers_what_it_was_fitted_on() -> None:
    model = pca.fit(moments_of(features()), fingerprint="abc", variance_threshold=0.9)
    assert (model.n_photos, model.fingerprint, model.centred) == (60, "abc", False)
