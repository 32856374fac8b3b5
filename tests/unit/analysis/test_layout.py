"""The map's layout: neighbours lie together, the picture is the same again, and nothing is too small or too equal for it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from fruit_features.analysis.layout import MIN_PHOTOS, lay_out

if TYPE_CHECKING:
    from numpy.typing import NDArray

RNG = np.random.default_rng(0)


def clouds(n_clouds: int = 6, n_photos: int = 30, n_columns: int = 12) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Photos in clouds, and the cloud of each."""
    centres = RNG.normal(0, 10, (n_clouds, n_columns))
    points = np.repeat(centres, n_photos, axis=0) + RNG.normal(0, 1, (n_clouds * n_photos, n_columns))
    return points.astype(np.float32), np.repeat(np.arange(n_clouds), n_photos)


def test_photos_of_a_cloud_lie_together() -> None:
    points, cloud = clouds()
    placed = lay_out(points, 0)
    assert trustworthiness(points, placed, n_neighbors=10) > 0.9
    distances = np.linalg.norm(placed[:, None] - placed[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (cloud[distances.argmin(axis=1)] == cloud).all()


def test_places_fill_the_unit_square() -> None:
    placed = lay_out(clouds()[0], 0)
    assert placed.dtype == np.float64
    assert (placed.min(), placed.max()) == pytest.approx((0, 1))
    np.testing.assert_allclose((placed.min(axis=0) + placed.max(axis=0)) / 2, 0.5)


def test_the_picture_is_the_same_again_and_whatever_the_order_of_the_photos() -> None:
    points, _ = clouds()
    order = RNG.permutation(len(points))
    np.testing.assert_array_equal(lay_out(points, 3)[order], lay_out(points[order], 3))


def test_threads_make_no_difference() -> None:
    """Neither those that OpenMP starts in scikit-learn, nor those of the library that multiplies matrices."""
    program = """
import hashlib
import numpy as np
from fruit_features.analysis.layout import lay_out
print(hashlib.sha256(lay_out(np.random.default_rng(0).normal(size=(150, 9)), 0)).hexdigest())
"""
    pictures = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"OMP_NUM_THREADS": n_threads, "OPENBLAS_NUM_THREADS": n_threads, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for n_threads in ("1", "2", "4")
    }
    assert len(pictures) == 1


@pytest.mark.parametrize(
    "points",
    [
        np.zeros((0, 3)),
        np.ones((1, 3)),
        np.ones((1, 1)),
        np.zeros((50, 3)),
        np.zeros((4, 0)),
        RNG.normal(size=(2, 5)),
        RNG.normal(size=(MIN_PHOTOS - 1, 5)),
        RNG.normal(size=(MIN_PHOTOS, 5)),
        RNG.normal(size=(MIN_PHOTOS, 1)),
        RNG.normal(size=(40, 1)),
        np.arange(40.0)[:, np.newaxis] * np.ones((1, 3)),
        np.repeat(RNG.normal(size=(12, 4)), 5, axis=0),
        RNG.normal(size=(30, 4)) * 1e30,
        RNG.normal(size=(30, 4)) * 1e-30,
    ],
    ids=lambda points: f"{points.shape}",
)
def test_photos_of_any_kind_have_places_of_their_own(points: NDArray[np.float64]) -> None:
    placed = lay_out(points.astype(np.float32), 0)
    assert placed.shape == (len(points), 2)
    assert np.isfinite(placed).all()
    assert ((placed >= 0) & (placed <= 1)).all()
    assert len(np.unique(placed, axis=0)) == len(points)


def test_few_photos_lie_on_the_two_leading_directions() -> None:
    points = np.array([[0, 0, 9], [2, 0, 9], [0, 1, 9], [2, 1, 9]], np.float32)
    assert sorted(map(tuple, lay_out(points, 0).round(6).tolist())) == [(0, 0.25), (0, 0.75), (1, 0.25), (1, 0.75)]


def test_copies_lie_side_by_side() -> None:
    points = np.repeat(RNG.normal(size=(3, 4)), [1, 4, 1], axis=0)
    placed = lay_out(points, 0)
    assert np.linalg.norm(placed[1:5] - placed[1], axis=1).max() < 0.02
    assert np.linalg.norm(placed[[0, 5]] - placed[1], axis=1).min() > 0.1
