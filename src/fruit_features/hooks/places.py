"""Where the catalog's entries lie."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext


def places(context: KedroContext) -> dict[str, str]:
    """Where each dataset that has a place lies: a URI or an absolute path. Relative ones begin at the project, as Kedro's do.

    Kedro reads the catalog's files anew whenever it is asked for them, a twentieth of a second each time.
    """
    entries = context.config_loader["catalog"]
    paths = {
        name: str(entry["filepath"]) for name, entry in entries.items() if isinstance(entry, dict) and "filepath" in entry
    }
    return {name: path if "://" in path else str(context.project_path / path) for name, path in paths.items()}


def local_places(context: KedroContext) -> dict[str, Path]:
    """Where those datasets lie that are on a local disk."""
    return {name: Path(path) for name, path in places(context).items() if "://" not in path}
