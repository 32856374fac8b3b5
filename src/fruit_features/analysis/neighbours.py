"""Nearest neighbours in the space of a reduction's columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike


def nearest_photos(point: ArrayLike, photos: pd.DataFrame, top: int) -> pd.DataFrame:
    """Find the photos nearest to a point of their space; a photo that lies there is itself among them.

    Args:
        point: Coordinates, (k,).
        photos: path, label, split if there is one, and k columns of coordinates.
        top: How many.

    Returns:
        path, label, distance (Euclidean); nearest first.

    """
    coordinates = coordinates_of(photos).to_numpy(np.float64)
    distances = np.linalg.norm(coordinates - np.asarray(point, np.float64), axis=1)
    nearest = np.argsort(distances, kind="stable")[:top]
    return photos.iloc[nearest][["path", "label"]].assign(distance=distances[nearest]).reset_index(drop=True)


def coordinates_of(photos: pd.DataFrame) -> pd.DataFrame:
    """Leave out the columns by which people know photos."""
    return photos.drop(columns=["path", "label", "split"], errors="ignore")
