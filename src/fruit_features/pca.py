"""Principal components as Spark ML defines them, from moments that merge. numpy only.

The covariance is the sample covariance (n - 1), the explained variance ratio an eigenvalue over the trace, and the projection
`x . V` of the uncentred features: what `pyspark.ml.feature.PCA` computes, with the free sign of each eigenvector fixed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterable

FloatArray = NDArray[np.float64]

_FEWEST_PHOTOS = 2  # the sample covariance divides by n - 1


@dataclass(frozen=True)
class Moments:
    """Count, mean and centred second moment of the rows seen so far; two of them merge without seeing the rows again.

    Attributes:
        count: Number of rows.
        mean: float64 (n_features,).
        scatter: float64 (n_features, n_features), sum over the rows of (x - mean)(x - mean)^T.

    """

    count: int
    mean: FloatArray
    scatter: FloatArray

    @classmethod
    def of(cls, rows: NDArray[np.floating]) -> Moments:
        """Moments of a block of rows, (n_rows, n_features) with n_rows >= 1, summed in float64."""
        block = rows.astype(np.float64)
        mean = block.mean(axis=0)
        block -= mean
        return cls(len(block), mean, block.T @ block)

    def merge(self, other: Moments) -> Moments:
        """Moments of the rows of both (Chan, Golub and LeVeque 1983, eq. 2.1b, in its matrix form)."""
        count = self.count + other.count
        delta = other.mean - self.mean
        mean = self.mean + delta * (other.count / count)
        scatter = np.outer(delta, delta)
        scatter *= self.count * other.count / count
        scatter += self.scatter
        scatter += other.scatter
        return Moments(count, mean, scatter)


def merge_all(moments: Iterable[Moments]) -> Moments:
    """Merge in the order given: the same blocks in the same order give the same bits.

    Raises:
        ValueError: There is nothing to merge.

    """
    iterator = iter(moments)
    total = next(iterator, None)
    if total is None:
        raise ValueError("PCA needs at least 2 usable photos; there is none")
    for block in iterator:
        total = total.merge(block)
    return total


@dataclass(frozen=True)
class PcaModel:
    """A fitted PCA.

    Attributes:
        mean: float64 (n_features,), of the photos it was fitted on.
        eigenvalues: float64 (n_features,), variance along every component, largest first.
        eigenvectors: float64 (n_components, n_features), one kept component per row.
        n_photos: Number of photos it was fitted on.
        fingerprint: Fingerprint of the network whose features it was fitted on.
        centred: Whether `project` subtracts the mean first; Spark ML and the notebook do not.

    """

    mean: FloatArray
    eigenvalues: FloatArray
    eigenvectors: FloatArray
    n_photos: int
    fingerprint: str
    centred: bool = False

    @property
    def n_components(self) -> int:
        """Number of kept components."""
        return len(self.eigenvectors)

    @property
    def explained_variance_ratio(self) -> FloatArray:
        """Eigenvalue over the trace, float64 (n_features,); sums to 1."""
        ratio: FloatArray = self.eigenvalues / self.eigenvalues.sum()
        return ratio

    def project(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """Project features, (n_rows, n_features), to float32 (n_rows, n_components)."""
        rows = features.astype(np.float64)
        if self.centred:
            rows -= self.mean
        return (rows @ self.eigenvectors.T).astype(np.float32)


def fit(
    moments: Moments,
    *,
    fingerprint: str,
    variance_threshold: float,
    n_components: int | None = None,
    centred: bool = False,
) -> PcaModel:
    """Fit a PCA to merged moments by one symmetric eigendecomposition.

    Args:
        moments: Moments of all features.
        fingerprint: Fingerprint of the network that computed the features.
        variance_threshold: Keep the fewest components whose cumulative explained variance ratio reaches this, in (0, 1].
        n_components: Keep this many instead.
        centred: Subtract the mean before projecting.

    Raises:
        ValueError: Fewer than two photos, no variance at all, or more components asked for than there are features.

    """
    n_features = len(moments.mean)
    if moments.count < _FEWEST_PHOTOS:
        raise ValueError(f"PCA needs at least 2 usable photos; there is {moments.count}")
    if n_components is not None and n_components > n_features:
        raise ValueError(f"reduction.n_components={n_components} exceeds the {n_features} features of a photo")
    values, vectors = np.linalg.eigh(moments.scatter / (moments.count - 1))
    eigenvalues = np.clip(values[::-1], 0.0, None)  # a covariance has none below 0 but for rounding
    scale = np.finfo(np.float64).eps * max(1.0, float(np.square(moments.mean).sum()))
    if eigenvalues.sum() <= scale:
        raise ValueError(f"the features of all {moments.count} usable photos are equal: there is no variance to explain")
    kept = n_components or n_components_for(eigenvalues / eigenvalues.sum(), variance_threshold)
    eigenvectors = _fix_signs(vectors[:, ::-1][:, :kept].T)
    return PcaModel(moments.mean, eigenvalues, eigenvectors, moments.count, fingerprint, centred)


def n_components_for(explained_variance_ratio: FloatArray, variance_threshold: float) -> int:
    """Fewest leading components whose cumulative ratio reaches the threshold; all with any variance for a threshold of 1."""
    cumulative = np.cumsum(explained_variance_ratio)
    # Rounding may leave the last cumulative ratio a hair below 1, where nothing would reach a threshold of 1.
    reached = cumulative >= min(variance_threshold, float(cumulative[-1]))
    return int(np.argmax(reached)) + 1


def _fix_signs(eigenvectors: FloatArray) -> FloatArray:
    """Make the loading of largest magnitude positive in every row: an eigenvector's sign is free, and two runs must agree."""
    largest = np.abs(eigenvectors).argmax(axis=1)
    signs = np.sign(eigenvectors[np.arange(len(eigenvectors)), largest])
    fixed: FloatArray = np.ascontiguousarray(eigenvectors * signs[:, np.newaxis])
    return fixed
