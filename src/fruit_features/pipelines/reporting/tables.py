"""What the small tables of the report have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable


def with_none(table: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """Put None where texts are missing in these columns: pandas has NaN there or None, as it comes."""
    texts = {name: [None if pd.isna(value) else value for value in table[name]] for name in names}
    return table.assign(**{name: pd.Series(values, table.index, object) for name, values in texts.items()})
