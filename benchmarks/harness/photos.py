"""Working copies of a folder of photos, of any size, that take next to no room."""

from __future__ import annotations

import argparse
import os
import shutil
from itertools import islice, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})


def repeat_photos(images: Path, working_copy: Path, n_photos: int) -> None:
    """Hard-link the photos of a folder, again and again, until there are `n_photos`.

    The n-th round of a photo keeps its label folder and takes n before its name. The same call makes the same tree.

    Args:
        images: Folder of labelled photos.
        working_copy: Folder to make; it must not exist.
        n_photos: Number of photos in it.

    Raises:
        ValueError: There are no photos in `images`.

    """
    working_copy.mkdir(parents=True)
    for round_, photo in islice(_rounds(_in_turn_by_label(images)), n_photos):
        first = _named_by_round(working_copy / photo, 0)
        if round_ == 0:
            first.parent.mkdir(parents=True, exist_ok=True)
            _link_or_copy(images / photo, first)
        else:  # to the first round, which is on the same file system even where the original is not
            os.link(first, _named_by_round(first.with_name(photo.name), round_))


def named_folder(argument: str) -> tuple[str, Path]:
    """Read a name and a folder from an argument such as `fruits=data/01_raw/images`.

    Raises:
        argparse.ArgumentTypeError: It has another form, or there is no such folder.

    """
    name, _, folder = argument.partition("=")
    if not folder or not Path(folder).is_dir():
        raise argparse.ArgumentTypeError(f"{argument!r}: expected NAME=DIR, with a folder that is there")
    return name, Path(folder).resolve()


def parse_sizes(argument: str) -> tuple[int, ...]:
    """Read numbers of photos from an argument such as `1000,3000`; an empty one has none."""
    return tuple(int(size) for size in argument.split(",") if size)


def _in_turn_by_label(images: Path) -> list[Path]:
    """List the photos, relative to their root, a label after another: however few are taken, they are of all labels."""
    by_label: dict[Path, list[Path]] = {}
    for path in sorted(images.rglob("*")):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            photo = path.relative_to(images)
            by_label.setdefault(photo.parent, []).append(photo)
    if not by_label:
        raise ValueError(f"no photos in {images}: expected {', '.join(sorted(SUFFIXES))} in folders named by label")
    return [photo for turn in zip_longest(*by_label.values()) for photo in turn if photo is not None]


def _rounds(photos: list[Path]) -> Iterator[tuple[int, Path]]:
    round_ = 0
    while True:
        for photo in photos:
            yield round_, photo
        round_ += 1


def _named_by_round(photo: Path, round_: int) -> Path:
    return photo.with_name(f"{round_:03d}_{photo.name}")


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or a file that only its owner may link
        shutil.copyfile(source, target)
