"""The folder of photos is looked at before Spark starts."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from kedro.framework.hooks import hook_impl

from fruit_features.hooks.places import local_places
from fruit_features.photos.tree import PhotoTree, glob_to_regex, spell, walk
from fruit_features.terminal.wording import count_of

if TYPE_CHECKING:
    import re
    from pathlib import Path

    from kedro.framework.context import KedroContext
    from kedro.pipeline import Pipeline

logger = logging.getLogger(__name__)

MIN_PHOTOS_FOR_PCA = 2

_N_ENDINGS_SHOWN = 5


class ImagesRootHooks:
    """Refuses, before Spark starts, a folder that photos cannot be read from; warns of what is left out."""

    def __init__(self) -> None:
        self._images_root: Path | None = None
        self._output_root: Path | None = None
        self._is_photo = glob_to_regex("*")

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Read where the photos are, where the results go, and which names are those of photos."""
        local = local_places(context)
        self._images_root = local.get("images")
        feature_store = local.get("feature_store")
        self._output_root = feature_store and feature_store.parents[1]
        name_filter = context.config_loader["catalog"]["images"]["load_args"]["pathGlobFilter"]
        self._is_photo = glob_to_regex(name_filter)

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline) -> None:
        """Look at the folder, where it is a local one.

        Raises:
            FileNotFoundError: It is not there.
            NotADirectoryError: It is a file.
            PermissionError: It may not be read.
            ValueError: There are fewer photos in it than this run needs, or results would be written into it.

        """
        images_root = self._images_root
        reads_photos = "images" in pipeline.inputs() or "feature_store" in pipeline.all_outputs()
        if not reads_photos or images_root is None:
            return
        _check_folder(images_root)
        if self._output_root is not None and self._output_root.resolve().is_relative_to(images_root.resolve()):
            raise ValueError(
                f"output_root={self._output_root} lies in images_root={images_root}: results would lie among the photos. "
                "Choose a folder outside: kedro run --params output_root=FOLDER"
            )
        tree = _walk(images_root, self._is_photo)
        if "images" in pipeline.inputs():
            fits_pca = any(node.name == "fit_pca" for node in pipeline.nodes)
            _check_number(tree, MIN_PHOTOS_FOR_PCA if fits_pca else 1, images_root)
        if tree.ignored:
            logger.warning(
                "%s left out, as Spark ignores names that begin with an underscore: rename them, if they are photos or hold "
                "some. The first is %s",
                _are(len(tree.ignored), "file or folder", "files or folders"),
                tree.ignored[0],
            )
        if tree.repeated:
            link, target = tree.repeated[0]
            logger.warning(
                "%s left out, as the photos that %s to are listed by another path already. The first is %s, which leads to %s",
                _are(len(tree.repeated), "link", "links"),
                "it leads" if len(tree.repeated) == 1 else "they lead",
                link,
                target,
            )


def _walk(images_root: Path, is_photo: re.Pattern[str]) -> PhotoTree:
    try:
        return walk(images_root, is_photo)
    except PermissionError as error:
        raise PermissionError(
            f"images_root={images_root}: this user may not read {spell(error.filename)}, so it is not known which photos it "
            "holds. Let it be read (chmod -R u+rX FOLDER), move it away, or name another folder: kedro run --params "
            "images_root=FOLDER"
        ) from None


def _are(number: int, one: str, many: str) -> str:
    return f"1 {one} is" if number == 1 else f"{number:,} {many} are"


def _check_number(tree: PhotoTree, n_needed: int, images_root: Path) -> None:
    if tree.n_files >= n_needed:
        return
    if tree.n_files:
        raise ValueError(
            f"images_root={images_root}: there is one photo, and a PCA needs at least {MIN_PHOTOS_FOR_PCA}. Add photos, or "
            "project this one into the space of an earlier run: kedro run --pipelines project (see docs/how-to.md)"
        )
    endings = ", ".join(f"{ending} ({count})" for ending, count in tree.others.most_common(_N_ENDINGS_SHOWN))
    found = [f"files that end in {endings}"] if endings else []
    if tree.paths:
        found.append(f"{count_of(len(tree.paths), 'path')} that cannot be read, such as {tree.paths[0]}: {tree.errors[0]}")
    raise ValueError(
        f"images_root={images_root}: there is no photo in it{', but ' * bool(found)}{' and '.join(found)}. "
        "Photos are JPEG, PNG, WebP, BMP, GIF and TIFF files, in a folder per label. Put some there, or name another "
        "folder: kedro run --params images_root=FOLDER"
    )


def _check_folder(images_root: Path) -> None:
    try:
        os.scandir(images_root).close()
    except FileNotFoundError:
        raise FileNotFoundError(
            f"images_root={images_root}: there is no such folder. Put photos there, in a folder per label, or name "
            "another: kedro run --params images_root=FOLDER"
        ) from None
    except NotADirectoryError:
        raise NotADirectoryError(
            f"images_root={images_root} is a file, not a folder. Name the folder that holds a folder of photos per label: "
            "kedro run --params images_root=FOLDER"
        ) from None
    except PermissionError:
        raise PermissionError(
            f"images_root={images_root}: this user may not read the folder. Let it be read (chmod u+rx FOLDER), or name "
            "another: kedro run --params images_root=FOLDER"
        ) from None
