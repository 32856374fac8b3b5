"""What a fitted reduction offers: few columns of numbers in the place of many features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Reduction(ABC):
    """A reduction that was fitted to the features of one network.

    Attributes:
        fingerprint: Fingerprint of the network whose features it was fitted to.

    """

    fingerprint: str

    @property
    @abstractmethod
    def columns(self) -> list[str]:
        """Names of the columns that `project` computes."""

    @property
    def explained_variance_ratio(self) -> NDArray[np.float64] | None:
        """Share of the variance along each component, largest first, of the columns and beyond; None if there is no such."""
        return None

    @abstractmethod
    def project(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """Project features, (n_rows, n_features), to float32 (n_rows, n_columns)."""

    @abstractmethod
    def to_record(self) -> dict[str, Any]:
        """Lay the reduction out as one record of numbers, text and lists, which any file format can hold.

        A record has at least `fingerprint` and, unless it is that of a PCA, `reducer`: the name of the reducer that reads it.
        """

    def check_fits(self, fingerprint: str) -> None:
        """Check that this reduction may project features with this fingerprint.

        Raises:
            ValueError: It was fitted to features with another one.

        """
        if fingerprint != self.fingerprint:
            raise ValueError(
                f"the PCA model was fitted on features of network {self.fingerprint}, these photos belong to network "
                f"{fingerprint}: run the reduction pipeline again (kedro run --pipelines reduction,export), or give the "
                "featurization parameters (backbone, weights, precision) that the model was fitted with"
            )
