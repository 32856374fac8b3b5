"""The folder of photos: whether it can be read, holds photos, and holds no results."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from fruit_features.analysis.pca import MIN_PHOTOS
from fruit_features.datasets.manifest import is_manifest
from fruit_features.hooks.places import local_only
from fruit_features.photos.tree import PhotoTree, spell, walk
from fruit_features.terminal.wording import count_of, most_frequent

if TYPE_CHECKING:
    import re
    from pathlib import Path

    from kedro.pipeline import Pipeline

logger = logging.getLogger(__name__)

_N_KINDS_SHOWN = 5


def check_photos(pipeline: Pipeline, places: dict[str, str], is_photo: re.Pattern[str]) -> None:
    """Refuse a folder that photos cannot be read from, and warn of what is left out. Those on S3 are not looked at here.

    Args:
        pipeline: What is to be run.
        places: Where datasets lie.
        is_photo: What the names of photos match.

    Raises:
        FileNotFoundError: It is not there.
        NotADirectoryError: It is a file.
        PermissionError: It may not be read.
        ValueError: There are fewer photos in it than this run needs, or results would be written into it.

    """
    reads_photos = "images" in pipeline.inputs() or "feature_store" in pipeline.all_outputs()
    local = local_only(places)
    if not reads_photos or "images" not in local:
        return
    images_root = local["images"]
    if is_manifest(str(images_root)):
        _check_manifest(images_root)
        return
    _check_folder(images_root)
    if "feature_store" in local:
        output_root = local["feature_store"].parents[1]
        if output_root.resolve().is_relative_to(images_root.resolve()):
            raise ValueError(
                f"output_root={output_root} lies in images_root={images_root}: results would lie among the photos. "
                "Choose a folder outside: kedro run --params output_root=FOLDER"
            )
    tree = _walk(images_root, is_photo)
    if "images" in pipeline.inputs():
        fits_pca = any(node.name == "fit_pca" for node in pipeline.nodes)
        _check_number(tree, MIN_PHOTOS if fits_pca else 1, images_root)
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
            f"images_root={images_root}: there is one photo, and a PCA needs at least {MIN_PHOTOS}. Add photos, or "
            "project this one into the space of an earlier run: kedro run --pipelines project (see docs/how-to.md)"
        )
    others = most_frequent(tree.others, _N_KINDS_SHOWN)
    found = [f"other files ({others})"] if others else []
    if tree.paths:
        found.append(f"{count_of(len(tree.paths), 'path')} that cannot be read, such as {tree.paths[0]}: {tree.errors[0]}")
    raise ValueError(
        f"images_root={images_root}: there is no photo in it{', but ' * bool(found)}{' and '.join(found)}. "
        "Photos are JPEG, PNG, WebP, AVIF, BMP, GIF, TIFF and other files, in a folder per label. Put some there, or name "
        "another folder: kedro run --params images_root=FOLDER"
    )


def _check_manifest(manifest: Path) -> None:
    try:
        found = manifest.exists()
    except PermissionError:
        found = False
    if not found:
        raise FileNotFoundError(
            f"images_root={manifest}: there is no such manifest, or this user may not look at it. Name a table that lists "
            "photos, or a folder that holds them: kedro run --params images_root=PLACE"
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
