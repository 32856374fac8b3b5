"""Reducers: ways to put few columns of numbers in the place of many features.

A new reducer is one file with a class that extends `Reducer`, and one line in `REDUCERS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fruit_features.registry import Registry
from fruit_features.spark.reducers.base import Reducer
from fruit_features.spark.reducers.pca import Pca

if TYPE_CHECKING:
    import pandas as pd

    from fruit_features.analysis.reduction import Reduction

__all__ = ["REDUCERS", "Reducer", "load_reduction"]

REDUCERS: Final[Registry[Reducer]] = Registry("reducer", (Pca(),))


def load_reduction(table: pd.DataFrame) -> Reduction:
    """Read a fitted reduction from the one row of `pca_model`.

    Raises:
        ValueError: This version has no reducer that could read it.

    """
    record = table.iloc[0].to_dict()
    return REDUCERS.find(record.get("reducer", Pca.name)).load(record)
