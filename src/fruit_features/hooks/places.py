"""Where the catalog's entries lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from kedro.framework.context import KedroContext


def local_path(context: KedroContext, dataset: str) -> Path | None:
    """Where a dataset lies, or None if that is not on a local disk; relative paths begin at the project, as Kedro's do."""
    filepath: str = context.config_loader["catalog"][dataset]["filepath"]
    return None if "://" in filepath else context.project_path / filepath
