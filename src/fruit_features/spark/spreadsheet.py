"""Protects readers of a CSV from text that a spreadsheet would take for a formula."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column


FORMULA: Final = r"[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]"
"""What a formula begins with: OWASP's list of characters, full-width ones too, as a regular expression of Java and Python."""


def escape_formula(column: str) -> Column:
    """Put an apostrophe where a spreadsheet would see a formula."""
    return F.regexp_replace(column, f"^(?={FORMULA})", "'").alias(column)
