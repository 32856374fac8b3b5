"""Parameters of the ingestion pipeline."""

from __future__ import annotations

import re

from pydantic import field_validator

from fruit_features.parameters import Parameters

_EXAMPLE = "(?P<label>[^/]+)/[^/]+$"
"""The pattern that gives a photo the name of its folder, as no pattern does."""


class IngestionParameters(Parameters):
    """Where the labels of photos come from.

    Attributes:
        label_pattern: A regular expression of Python that is searched in the path of a photo below images_root. Its group
            `label` is the label, and its group `split`, if it has one, the split. None: the label is the name of the folder.
        metadata: A CSV or Parquet file with the columns file_name and, if wanted, label, split and use; or None.
        metadata_must_match: Stop the run if the table lacks a photo, or names one that is not there.

    """

    label_pattern: str | None
    metadata: str | None
    metadata_must_match: bool

    @field_validator("label_pattern")
    @classmethod
    def _check_label_pattern(cls, pattern: str | None) -> str | None:
        if pattern is None:
            return None
        try:
            groups = re.compile(pattern).groupindex
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(f"this is not a regular expression of Python: {error}. One is {_EXAMPLE}") from None
        if "label" not in groups:
            raise ValueError(f"the regular expression has no group named label. Mark the label by (?P<label>...): {_EXAMPLE}")
        return pattern

    @field_validator("metadata")
    @classmethod
    def _check_metadata(cls, metadata: str | None) -> str | None:
        if metadata is not None and not metadata.strip():
            raise ValueError("this is no name of a file. Give a CSV or Parquet file, or null for no table")
        return metadata
