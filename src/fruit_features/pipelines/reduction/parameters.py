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
        n_blocks: Blocks of photos whose moments are summed apart and then merged; the most tasks that can share the work.

    """

    variance_threshold: float = Field(gt=0, le=1)
    n_components: PositiveInt | None
    centred: bool
    n_blocks: PositiveInt
