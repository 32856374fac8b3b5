"""The folders of results: whether this user may write to them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from fruit_features.hooks.places import local_only

if TYPE_CHECKING:
    from pathlib import Path

    from kedro.pipeline import Pipeline

_MAY_STAY_AS_IT_IS: Final = frozenset({"network"})
"""Outputs that are not written where they are there already: models of another user may be read alone."""


def check_write_access(pipeline: Pipeline, places: dict[str, str]) -> None:
    """Look whether every local folder can be written to, in which the run makes, replaces or deletes something.

    Raises:
        PermissionError: This user may not write to one.

    """
    local = local_only(places)
    for name in sorted(pipeline.all_outputs() & local.keys() - _MAY_STAY_AS_IT_IS):
        folder = _closed_folder(local[name])
        if folder is not None:
            raise PermissionError(
                f"{folder}: this user may not write there, and this run saves {name} in it. Give this user the right "
                "(chown or chmod, of all that is in it, too), or choose another folder: kedro run --params output_root=FOLDER"
            )


def _closed_folder(place: Path) -> Path | None:
    """Find a folder that stands in the way of a dataset: its own, where Spark wrote it, or the one that it is made in."""
    above = place.parent
    while not above.exists() and above != above.parent:
        above = above.parent
    for folder in (above, place):
        if folder.is_dir() and not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            return folder
    return None
