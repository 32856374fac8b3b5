"""Protects readers of a CSV from text that a spreadsheet would take for a formula."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column


def escape_formula(column: str) -> Column:
    """Put an apostrophe where a spreadsheet would see a formula: OWASP's list of its first characters, full-width ones too."""
    return F.regexp_replace(column, r"^(?=[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20])", "'").alias(column)
