"""Principal components as Spark ML defines them, from sums that merge exactly. numpy only.

The covariance is the sample covariance (n - 1), the explained variance ratio an eigenvalue over the trace, and the projection
`x . V` of the uncentred features: what `pyspark.ml.feature.PCA` computes, with the free sign of each eigenvector fixed.

Sums of floats depend on their order, and so would a model on the number of cores and on the history of the feature store. So
features are first rounded to a grid too fine to show in any result, and summed as integers: any order gives the same bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fruit_features.analysis.reduction import Reduction

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MIN_PHOTOS = 2
"""The sample covariance divides by n - 1."""

_GRID_BITS = 20
"""Bits of a feature's magnitude on the grid, below 1 million photos: an error of less than 1e-6 of the largest feature."""

_ROWS_PER_PRODUCT = 2048
"""Rows per matrix product: 2048 products of two 20-bit integers stay below 2**53, where float64 still counts exactly."""


def grid_step(largest: float, count: int) -> float:
    """Choose the grid: a power of two, so fine as int64 sums allow.

    Args:
        largest: Largest magnitude among all features.
        count: Number of rows that will be summed.

    Returns:
        The distance between neighbours on the grid. Centred products, summed over all rows, stay below 2**62.
    """
    bits = min(_GRID_BITS, (62 - math.ceil(math.log2(max(count, 1)))) // 2 - 1)
    return 2.0 ** (math.ceil(math.log2(largest or 1.0)) - bits)


@dataclass(frozen=True)
class Moments:
    """Count, sum and sum of products of rows on a grid; two of them merge without seeing the rows again.

    Attributes:
        step: The grid's step; all integers below are in units of it.
        count: Number of rows.
        total: int64 (n_features,), sum of the rows.
        products: int64 (n_features, n_features), sum of the rows' outer products, modulo 2**64.
    """

    step: float
    count: int
    total: IntArray
    products: IntArray

    @classmethod
    def of(cls, rows: NDArray[np.floating], step: float) -> Moments:
        """Sum rows, (n_rows, n_features), none of which exceeds the magnitude that `step` was chosen for."""
        n_features = rows.shape[1]
        total, products = np.zeros(n_features, np.int64), np.zeros((n_features, n_features), np.int64)
        for start in range(0, len(rows), _ROWS_PER_PRODUCT):
            block = np.rint(rows[start : start + _ROWS_PER_PRODUCT].astype(np.float64) / step)
            total += block.sum(axis=0).astype(np.int64)
            products += (block.T @ block).astype(np.int64)
        return cls(step, len(rows), total, products)

    def merge(self, other: Moments) -> Moments:
        """Sum the rows of both.

        Raises:
            ValueError: They are on different grids.
        """
        if self.step != other.step:
            raise ValueError(f"moments on grids of {self.step} and {other.step} do not merge")
        return Moments(self.step, self.count + other.count, self.total + other.total, self.products + other.products)

    def mean(self) -> FloatArray:
        """Mean of the rows, float64 (n_features,)."""
        mean: FloatArray = self.total.astype(np.float64) * (self.step / self.count)
        return mean

    def covariance(self) -> FloatArray:
        """Sample covariance of the rows, float64 (n_features, n_features).

        Products are centred about the mean's nearest grid point before they become floats, so that nothing cancels. Integers
        wrap around on the way; what they arrive at fits, and is exact.
        """
        centre = np.rint(self.total / self.count).astype(np.int64)
        cross = np.outer(centre, self.total)
        centred = self.products - cross - cross.T + self.count * np.outer(centre, centre)
        rest = (self.total - self.count * centre).astype(np.float64)
        scatter = centred.astype(np.float64) - np.outer(rest, rest) / self.count
        covariance: FloatArray = scatter * (self.step**2 / (self.count - 1))
        return covariance


def merge_all(moments: Iterable[Moments]) -> Moments:
    """Merge any number of moments, in any order.

    Raises:
        ValueError: There is nothing to merge.
    """
    iterator = iter(moments)
    merged = next(iterator, None)
    if merged is None:
        raise ValueError("PCA needs at least 2 usable photos; there is none")
    for other in iterator:
        merged = merged.merge(other)
    return merged


@dataclass(frozen=True)
class PcaModel(Reduction):
    """A fitted PCA.

    Attributes:
        mean: float64 (n_features,), of the photos it was fitted on.
        eigenvalues: float64 (n_features,), variance along every component, largest first.
        eigenvectors: float64 (n_components, n_features), one kept component per row.
        n_photos: Number of photos it was fitted on.
        fingerprint: Fingerprint of the network whose features it was fitted on.
        centred: Whether `project` subtracts the mean first; Spark ML and the notebook do not.
        variance_threshold: Cumulative explained variance ratio that decided how many components are kept; None where the
            number was given instead.

    """

    mean: FloatArray
    eigenvalues: FloatArray
    eigenvectors: FloatArray
    n_photos: int
    fingerprint: str
    centred: bool = False
    variance_threshold: float | None = None

    @property
    def n_components(self) -> int:
        """Number of kept components."""
        return len(self.eigenvectors)

    @property
    def columns(self) -> list[str]:
        """pca_1 .. pca_k."""
        return [f"pca_{component}" for component in range(1, self.n_components + 1)]

    @property
    def explained_variance_ratio(self) -> FloatArray:
        """Eigenvalue over the trace, float64 (n_features,); sums to 1."""
        ratio: FloatArray = self.eigenvalues / self.eigenvalues.sum()
        return ratio

    def to_record(self) -> dict[str, Any]:
        """Lay the model out as one record of numbers, text and lists, which any file format can hold."""
        return {
            "mean": self.mean,
            "eigenvalues": self.eigenvalues,
            "eigenvectors": list(self.eigenvectors),
            "n_components": self.n_components,
            "n_photos": self.n_photos,
            "fingerprint": self.fingerprint,
            "centred": self.centred,
            "variance_threshold": self.variance_threshold,
        }

    @classmethod
    def from_record(cls, record: Mapping[Hashable, Any]) -> PcaModel:
        """Read back what `to_record` laid out."""
        return cls(
            mean=np.asarray(record["mean"]),
            eigenvalues=np.asarray(record["eigenvalues"]),
            eigenvectors=np.stack(record["eigenvectors"]),
            n_photos=int(record["n_photos"]),
            fingerprint=str(record["fingerprint"]),
            centred=bool(record["centred"]),
            variance_threshold=_none_if_nan(record.get("variance_threshold")),  # models of earlier versions have none
        )

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
    n_features = len(moments.total)
    if moments.count < MIN_PHOTOS:
        raise ValueError(f"PCA needs at least 2 usable photos; there is {moments.count}")
    if n_components is not None and n_components > n_features:
        raise ValueError(f"reduction.n_components={n_components} exceeds the {n_features} features of a photo")
    covariance = moments.covariance()
    if not covariance.any():
        raise ValueError(f"the features of all {moments.count} usable photos are equal: there is no variance to explain")
    values, vectors = np.linalg.eigh(covariance)
    eigenvalues = np.clip(values[::-1], 0.0, None)  # a covariance has none below 0 but for rounding
    kept = n_components or n_components_for(eigenvalues / eigenvalues.sum(), variance_threshold)
    eigenvectors = _fix_signs(vectors[:, ::-1][:, :kept].T)
    return PcaModel(
        mean=moments.mean(),
        eigenvalues=eigenvalues,
        eigenvectors=eigenvectors,
        n_photos=moments.count,
        fingerprint=fingerprint,
        centred=centred,
        variance_threshold=None if n_components else variance_threshold,
    )


def _none_if_nan(value: float | None) -> float | None:
    """Parquet readers give a missing number as None or as NaN."""
    return None if value is None or np.isnan(value) else float(value)


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
