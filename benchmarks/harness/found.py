"""Tables of what a side has found, as `harness.judging` describes them; contestants import this in their environments."""

from __future__ import annotations

import pandas as pd


def as_table(kind: str, files: pd.Series, scores: pd.Series, is_found: pd.Series) -> pd.DataFrame:
    """Write one kind: the higher the score, the more certain."""
    return pd.DataFrame(
        {
            "kind": kind,
            "file": files.to_numpy(),
            "other": "",
            "score": scores.to_numpy(),
            "is_found": is_found.to_numpy(),
            "suggested_label": "",
        }
    )


def name_of(paths: pd.Series) -> pd.Series:
    """Take the names of files from their paths."""
    return paths.str.rsplit("/", n=1).str[-1]
