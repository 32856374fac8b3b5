"""A run that could not save one of its results is refused before it starts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from kedro.framework.hooks import hook_impl

from fruit_features.hooks.places import local_places

if TYPE_CHECKING:
    from pathlib import Path

    from kedro.framework.context import KedroContext
    from kedro.pipeline import Pipeline

_MAY_STAY_AS_IT_IS: Final = frozenset({"network"})
"""Outputs that are not written where they are there already: models of another user may be read alone."""


class WriteAccessHooks:
    """Looks at the folders of all that a run saves, on local disks."""

    def __init__(self) -> None:
        self._places: dict[str, Path] = {}

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Read where tables lie."""
        self._places = {name: path for name, path in local_places(context).items() if name not in _MAY_STAY_AS_IT_IS}

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline) -> None:
        """Look whether every folder can be written to, in which the run makes, replaces or deletes something.

        Raises:
            PermissionError: This user may not write to one.

        """
        for name in sorted(pipeline.all_outputs() & self._places.keys()):
            folder = _closed_folder(self._places[name])
            if folder is not None:
                raise PermissionError(
                    f"{folder}: this user may not write there, and this run saves {name} in it. Give this user the right "
                    f"(chown or chmod, of all that is in it, too), or choose another folder: kedro run --params "
                    f"output_root=FOLDER"
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
