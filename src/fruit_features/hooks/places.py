"""Where the catalog's entries lie."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kedro.framework.context import KedroContext

_last_read: list[tuple[weakref.ref[KedroContext], dict[str, Any]]] = []


def catalog_entries(context: KedroContext) -> dict[str, Any]:
    """Read the catalog's configuration once for all hooks: Kedro reads and resolves the files anew whenever it is asked."""
    if not _last_read or _last_read[0][0]() is not context:
        _last_read[:] = [(weakref.ref(context), context.config_loader["catalog"])]
    return _last_read[0][1]


def places(context: KedroContext) -> dict[str, str]:
    """Where each dataset that has a place lies: a URI or an absolute path. Relative ones begin at the project, as in Kedro."""
    paths = {
        name: str(entry["filepath"])
        for name, entry in catalog_entries(context).items()
        if isinstance(entry, dict) and entry.get("filepath") is not None  # `metadata` has none if no table is given
    }
    return {name: path if "://" in path else str(context.project_path / path) for name, path in paths.items()}


def local_only(places: Mapping[str, str]) -> dict[str, Path]:
    """Where those datasets lie that are on a local disk."""
    return {name: Path(path) for name, path in places.items() if "://" not in path}
