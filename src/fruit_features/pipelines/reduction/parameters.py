"""Parameters of the reduction pipeline."""

from __future__ import annotations

from pydantic import Field, PositiveInt, field_validator

from fruit_features.parameters import Parameters
from fruit_features.spark.reducers import REDUCERS


class ReductionParameters(Parameters):
    """How many components are kept, and how photos are projected on them.

    Attributes:
        reducer: Name of the reducer.
        variance_threshold: Cumulative explained variance ratio to reach, in (0, 1].
        n_components: Number of components to keep instead, or null.
        centred: Subtract the mean before projecting; Spark ML and the notebook do not.

    """

    reducer: str
    variance_threshold: float = Field(gt=0, le=1)
    n_components: PositiveInt | None
    centred: bool

    @field_validator("reducer")
    @classmethod
    def _check_reducer(cls, name: str) -> str:
        return REDUCERS.find(name).name
