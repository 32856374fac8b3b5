"""Where the catalog's entries lie."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext


def place(context: KedroContext, dataset: str) -> str:
    """Where a dataset lies: a URI, or an absolute path. Relative paths begin at the project, as Kedro's do."""
    filepath: str = context.config_loader["catalog"][dataset]["filepath"]
    return filepath if "://" in filepath else str(context.project_path / filepath)


def local_path(context: KedroContext, dataset: str) -> Path | None:
    """Where a dataset lies, or None if that is not on a local disk."""
    where = place(context, dataset)
    return None if "://" in where else Path(where)
