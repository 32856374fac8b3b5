"""The folder of photos is looked at before Spark starts."""

from __future__ import annotations

import logging
import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kedro.framework.hooks import hook_impl

from fruit_features.hooks.places import local_path

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.pipeline import Pipeline

logger = logging.getLogger(__name__)

MIN_PHOTOS_FOR_PCA = 2

_N_ENDINGS_SHOWN = 5


class ImagesRootHooks:
    """Refuses, before Spark starts, a folder that photos cannot be read from; warns of photos that Spark will not see."""

    def __init__(self) -> None:
        self._images_root: Path | None = None
        self._output_root: Path | None = None
        self._is_photo = re.compile("")

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Read where the photos are, where the results go, and which names are those of photos."""
        self._images_root = local_path(context, "images")
        feature_store = local_path(context, "feature_store")
        self._output_root = feature_store and feature_store.parents[1]
        name_filter = context.config_loader["catalog"]["images"]["load_args"]["pathGlobFilter"]
        self._is_photo = re.compile(_glob_to_regex(name_filter), re.DOTALL)

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
        tree = look_at(images_root, self._is_photo)
        if tree.repeated:
            link, target = tree.repeated[0]
            raise ValueError(
                f"images_root={images_root}: {link} is a link to {target}, whose photos are listed by its own name, too. They "
                f"would be listed twice, or without end. Remove the link (rm '{link}'), or name another folder: "
                "kedro run --params images_root=FOLDER"
            )
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
        if tree.not_utf8:
            logger.warning(
                "%s left out, as a name is not UTF-8, which Spark cannot read: rename them (convmv does that for whole "
                "folders). The first is %s",
                _are(len(tree.not_utf8), "photo", "photos"),
                os.fsencode(tree.not_utf8[0]).decode(errors="backslashreplace"),
            )


@dataclass
class PhotoTree:
    """What lies in a folder of photos, by names alone.

    Attributes:
        n_photos: Files that Spark will list.
        others: Endings of other files, and how many have each.
        ignored: Files and folders whose names begin with an underscore.
        not_utf8: Photos with names, or in folders with names, that are not UTF-8.
        repeated: Links to folders that are in the tree by their own names as well, and these folders.

    """

    n_photos: int = 0
    others: Counter[str] = field(default_factory=Counter)
    ignored: list[Path] = field(default_factory=list)
    not_utf8: list[Path] = field(default_factory=list)
    repeated: list[tuple[Path, Path]] = field(default_factory=list)


def look_at(root: Path, is_photo: re.Pattern[str]) -> PhotoTree:
    """Walk through a folder once, along links to folders as Spark does, but into each folder only once.

    Args:
        root: The folder.
        is_photo: What the names of photos match.

    """
    tree = PhotoTree()
    seen: dict[tuple[int, int], Path] = {}
    for place, folders, files in os.walk(root, followlinks=True):
        folder = Path(place)
        status = folder.stat()
        known = seen.setdefault((status.st_dev, status.st_ino), folder)
        if known is not folder:
            link, target = (known, folder) if _is_below_a_link(known, root) else (folder, known)
            tree.repeated.append((link, target))
            folders.clear()
            continue
        tree.ignored += [folder / name for name in (*folders, *files) if name.startswith("_") and "=" not in name]
        folders[:] = [name for name in folders if not _is_hidden(name)]
        for name in files:
            if _is_hidden(name):
                continue
            if not is_photo.fullmatch(name):
                tree.others[Path(name).suffix or name] += 1
            elif _is_utf8(folder / name):
                tree.n_photos += 1
            else:
                tree.not_utf8.append(folder / name)
    return tree


def _is_below_a_link(folder: Path, root: Path) -> bool:
    """Whether one comes to a folder below the root by a link."""
    return any(step.is_symlink() for step in (folder, *folder.parents) if step.is_relative_to(root) and step != root)


def _is_utf8(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:  # Python stands surrogates in for bytes that are not UTF-8
        return False
    return True


def _are(number: int, one: str, many: str) -> str:
    return f"1 {one} is" if number == 1 else f"{number:,} {many} are"


def _check_number(tree: PhotoTree, n_needed: int, images_root: Path) -> None:
    if tree.n_photos >= n_needed:
        return
    if tree.n_photos:
        raise ValueError(
            f"images_root={images_root}: there is one photo, and a PCA needs at least {MIN_PHOTOS_FOR_PCA}. Add photos, or "
            "project this one into the space of an earlier run: kedro run --pipelines project (see docs/how-to.md)"
        )
    endings = ", ".join(f"{ending} ({count})" for ending, count in tree.others.most_common(_N_ENDINGS_SHOWN))
    raise ValueError(
        f"images_root={images_root}: there is no photo in it{f', but files that end in {endings}' if tree.others else ''}. "
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


def _glob_to_regex(glob: str) -> str:
    """Translate one of Hadoop's globs, of which braces, commas, stars, dots and classes of characters are used here."""
    return re.sub(r"[.*{},]", lambda match: {".": r"\.", "*": ".*", "{": "(?:", "}": ")", ",": "|"}[match[0]], glob)


def _is_hidden(name: str) -> bool:
    """Whether Spark passes over a file or folder of this name."""
    return name.startswith(".") or (name.startswith("_") and "=" not in name)
