"""Labels from a regular expression, which is Python's and is evaluated by Python on the workers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd
from pyspark.sql.pandas.functions import pandas_udf

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import Column

MATCH_SCHEMA = "is_match boolean, label string, split string"


def label_matcher(pattern: str) -> Callable[[str], Column]:
    """Make a function that searches a pattern in a column of text.

    Args:
        pattern: A regular expression of Python with the group `label`; it may have the group `split`.

    Returns:
        A function from the name of a column to a column of structs: is_match, and label and split, which are null where the
        pattern does not match, or where its group matches nothing or no character.

    """
    compiled = re.compile(pattern)

    def match(file_names: pd.Series) -> pd.DataFrame:
        found = [compiled.search(file_name) for file_name in file_names]
        groups = {name: [_group(match, name) for match in found] for name in ("label", "split")}
        return pd.DataFrame({"is_match": [match is not None for match in found], **groups})

    matcher: Callable[[str], Column] = pandas_udf(match, MATCH_SCHEMA)  # type: ignore[call-overload]
    return matcher


def has_split(pattern: str | None) -> bool:
    """Whether a pattern has a group `split`."""
    return pattern is not None and "split" in re.compile(pattern).groupindex


def _group(match: re.Match[str] | None, name: str) -> str | None:
    if match is None or name not in match.re.groupindex:
        return None
    return match[name] or None
