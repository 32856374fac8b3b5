"""Where the catalog's entries lie."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kedro.framework.context import KedroContext


def places(context: KedroContext, catalog: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Where each dataset that has a place lies: a URI or an absolute path. Relative ones begin at the project, as Kedro's do.

    Args:
        context: Kedro's context.
        catalog: The catalog's configuration, if it has been read already: Kedro reads the files anew whenever it is asked.

    """
    entries = context.config_loader["catalog"] if catalog is None else catalog
    paths = {
        name: str(entry["filepath"])
        for name, entry in entries.items()
        if isinstance(entry, dict) and entry.get("filepath") is not None  # `metadata` has none if no table is given
    }
    return {name: path if "://" in path else str(context.project_path / path) for name, path in paths.items()}


def local_only(places: Mapping[str, str]) -> dict[str, Path]:
    """Where those datasets lie that are on a local disk."""
    return {name: Path(path) for name, path in places.items() if "://" not in path}
