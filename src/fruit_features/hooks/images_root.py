"""The folder of photos is looked at before Spark starts."""

from __future__ import annotations

import logging
import os
import re
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from kedro.framework.hooks import hook_impl

from fruit_features.hooks.places import local_path

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        if "images" in pipeline.inputs():
            fits_pca = any(node.name == "fit_pca" for node in pipeline.nodes)
            self._check_that_there_are(MIN_PHOTOS_FOR_PCA if fits_pca else 1, images_root)
        ignored = list(_ignored_by_spark(images_root))
        if ignored:
            logger.warning(
                "%d files or folders are left out, as Spark ignores names that begin with an underscore: rename them, if they "
                "are photos or hold some. The first is %s",
                len(ignored),
                ignored[0],
            )

    def _check_that_there_are(self, n_needed: int, images_root: Path) -> None:
        others: Counter[str] = Counter()
        n_found = len(list(islice(self._find_photos(images_root, others), n_needed)))
        if n_found == n_needed:
            return
        if n_found:
            raise ValueError(
                f"images_root={images_root}: there is one photo, and a PCA needs at least {MIN_PHOTOS_FOR_PCA}. Add photos, "
                "or project this one into the space of an earlier run: kedro run --pipelines project (see docs/how-to.md)"
            )
        endings = ", ".join(f"{ending} ({count})" for ending, count in others.most_common(_N_ENDINGS_SHOWN))
        raise ValueError(
            f"images_root={images_root}: there is no photo in it{f', but files that end in {endings}' if others else ''}. "
            "Photos are JPEG, PNG, WebP, BMP, GIF and TIFF files, in a folder per label. Put some there, or name another "
            "folder: kedro run --params images_root=FOLDER"
        )

    def _find_photos(self, images_root: Path, others: Counter[str]) -> Iterator[Path]:
        """Find the files that Spark will list, and count the endings of the others that are passed on the way."""
        seen = set()
        for folder, folders, files in os.walk(images_root, followlinks=True):
            status = Path(folder).stat()
            if (status.st_dev, status.st_ino) in seen:  # a link leads back to a folder that has been looked at
                folders.clear()
                continue
            seen.add((status.st_dev, status.st_ino))
            folders[:] = [name for name in folders if not _is_hidden(name)]
            for name in files:
                if _is_hidden(name):
                    continue
                if self._is_photo.fullmatch(name):
                    yield Path(folder, name)
                else:
                    others[Path(name).suffix or name] += 1


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


def _ignored_by_spark(root: Path) -> Iterator[Path]:
    """Find the files and folders that Spark takes for bookkeeping; hidden ones (a dot first) are nobody's photos."""
    for folder, folders, files in os.walk(root):
        yield from (Path(folder, name) for name in (*folders, *files) if name.startswith("_") and "=" not in name)
        folders[:] = [name for name in folders if not name.startswith(("_", "."))]
