"""A run that begins with damaged files is refused, and every file that another run may begin with gets a digest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines

from fruit_features.hooks.places import local_only, places
from fruit_features.storage import digests
from fruit_features.terminal.wording import first_of

if TYPE_CHECKING:
    from pathlib import Path

    from kedro.framework.context import KedroContext
    from kedro.pipeline import Pipeline

_OTHERWISE_CHECKED: Final = frozenset({"images", "metadata", "networks", "network", "corrections", "agreed_corrections"})
"""No run saves photos or the table of labels, and broken photos are rejected.

Networks hold digests of their own, which are copied with them. People write into the sheet of corrections."""

_N_NAMED: Final = 5
"""Damaged files that an error names: it has to fit on a screen."""


class SavedFilesHooks:
    """Writes down the digests of what a run saves on local disks; object stores check what they hold themselves.

    Parquet's own checksums leave out the footers of files and the headers of pages, and CSV and JSON have none.
    """

    def __init__(self) -> None:
        self._places: dict[str, Path] = {}

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Read where tables lie."""
        self._places = _checked_places(places(context))

    @hook_impl
    def after_dataset_saved(self, dataset_name: str) -> None:
        """Write down the digests of new files; of a chunk, those that it added to the feature store."""
        place = self._places.get(dataset_name)
        if place in self._read_places():
            digests.record(place, keep_known=place.is_dir())

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline) -> None:
        """Write down the digests of files that this run has read well and that had none."""
        for place in _begins_with(pipeline, self._places):
            if place.exists():
                digests.record(place, keep_known=True)

    def _read_places(self) -> set[Path]:
        """Where what some pipeline reads lies; nothing reads the page and the report of a run again."""
        read = {name for pipeline in pipelines.values() for node in pipeline.nodes for name in node.inputs}
        return {self._places[name] for name in self._places.keys() & read}


def check_saved_files(pipeline: Pipeline, places: dict[str, str]) -> None:
    """Look for damage in what a run begins with.

    Raises:
        ValueError: A file is not what was saved.

    """
    checked = _checked_places(places)
    for place in _begins_with(pipeline, checked):
        refuse_damaged(place, is_feature_store=place == checked.get("feature_store"))


def _checked_places(places: dict[str, str]) -> dict[str, Path]:
    return {name: path for name, path in local_only(places).items() if name not in _OTHERWISE_CHECKED}


def _begins_with(pipeline: Pipeline, places: dict[str, Path]) -> list[Path]:
    return sorted({places[name] for name in pipeline.inputs() & places.keys()})


def refuse_damaged(place: Path | None, *, is_feature_store: bool = False) -> None:
    """Compare saved files with their digests.

    Args:
        place: A dataset's file, or its folder of files that Spark wrote; None if it is not on a local disk.
        is_feature_store: Whether it is the feature store, whose rows a run computes again where they are missing.

    Raises:
        ValueError: A file is not what was saved.

    """
    damaged = digests.find_damaged(place) if place else []
    if is_feature_store:  # Spark skips an empty file
        damaged = [path for path in damaged if path.exists() and path.stat().st_size]
    if not damaged:
        return
    named = first_of(list(map(str, damaged)), _N_NAMED)
    record = damaged[0].parent / digests.RECORD
    cure = (
        f"Delete {'them' if len(damaged) > 1 else 'it'} and run again: the photos in it will be featurized once more, the "
        "others are not touched."
        if is_feature_store
        else f"Delete {place}, and write it anew: `kedro run` with the --env and --params of the run that wrote it."
    )
    raise ValueError(
        f"damaged: {named}. What is there is not what was saved (by the SHA-256 in {record}). {cure} If you "
        f"exchanged files on purpose, delete {record} instead."
    )
