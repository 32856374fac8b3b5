"""What every reducer offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from pyspark.sql import DataFrame

    from fruit_features.analysis.reduction import Reduction


class ReductionOptions(Protocol):
    """What a user may ask of a reduction. A reducer ignores what it has no use for."""

    @property
    def variance_threshold(self) -> float:
        """Cumulative explained variance ratio to reach, in (0, 1]."""

    @property
    def n_components(self) -> int | None:
        """Number of columns to compute instead, or None."""

    @property
    def centred(self) -> bool:
        """Whether the mean is subtracted before features are projected."""


class Reducer(ABC):
    """A way to fit a reduction, and to read one that was saved.

    Attributes:
        name: The key in the registry, and the value of `reduction.reducer`.

    """

    name: str

    @abstractmethod
    def fit(self, features: DataFrame, options: ReductionOptions) -> Reduction:
        """Fit a reduction. The same rows give the same bits, whatever their order and partitions.

        Args:
            features: path, label, features array<float>, fingerprint; all of one fingerprint.
            options: What the user asks for.

        Raises:
            ValueError: These features cannot be reduced like that.

        """

    @abstractmethod
    def load(self, record: Mapping[Hashable, Any]) -> Reduction:
        """Read back what `Reduction.to_record` laid out."""
