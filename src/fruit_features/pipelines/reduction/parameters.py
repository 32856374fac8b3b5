"""Parameters of the reduction pipeline."""

from __future__ import annotations

from pydantic import Field, PositiveInt

from fruit_features.parameters import Parameters


class ReductionParameters(Parameters):
    """How many components are kept, and how photos are projected on them.

    Attributes:
        variance_threshold: Cumulative explained variance ratio to reach, in (0, 1].
        n_components: Number of components to keep instead, or null.
        centred: Subtract the mean before projecting; Spark ML and the notebook do not.

    """

    variance_threshold: float = Field(gt=0, le=1)
    n_components: PositiveInt | None
    centred: bool
