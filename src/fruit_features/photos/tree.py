"""The files of a folder of photos on a disk: each once, along links too, and what is wrong with those that are no files.

Knows the standard library only.
"""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_UTF8 = "the name is not UTF-8: rename the file, or the folder that it lies in"
BROKEN_LINK = "a link that leads nowhere, or to where this user may not read"
_SPECIAL_FILES = (
    (stat.S_ISFIFO, "not a file, but a named pipe"),
    (stat.S_ISSOCK, "not a file, but a socket"),
    (stat.S_ISCHR, "not a file, but a device"),
    (stat.S_ISBLK, "not a file, but a device"),
)


@dataclass
class PhotoTree:
    """What lies in a folder of photos, by names and status alone: no file is opened.

    The four lists of photos have an entry for each file, in the order in which it was found.

    Attributes:
        root: Absolute path of the folder, as `spell` spells it: every path begins with it and a slash.
        paths: Absolute paths, as `spell` spells them.
        lengths: Bytes; 0 where there is an error.
        modified: As `modified_at` tells it; 0 where a link leads nowhere.
        errors: Why it can be no photo, whatever is in it; None for a file.
        others: How many files and hidden folders are not taken for photos, by what `kind_of_other` calls them.
        ignored: Files and folders whose names begin with an underscore.
        repeated: Links to what is listed by another path already, and what they lead to.

    """

    root: str = ""
    paths: list[str] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    modified: list[int] = field(default_factory=list)
    errors: list[str | None] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    ignored: list[str] = field(default_factory=list)
    repeated: list[tuple[str, str]] = field(default_factory=list)

    @property
    def n_files(self) -> int:
        """How many photos can be opened, as far as one can tell without doing so."""
        return self.errors.count(None)

    def add(self, path: str, status: os.stat_result | None, error: str | None = None) -> None:
        """Add a photo, or what only has the name of one."""
        spelled = spell(path)
        if error is None and status is not None:
            error = _describe_special_file(status) or (None if spelled == path else NOT_UTF8)
        self.paths.append(spelled)
        self.lengths.append(status.st_size if status is not None and error is None else 0)
        self.modified.append(modified_at(status) if status is not None else 0)
        self.errors.append(error)


def walk(root: Path, is_photo: re.Pattern[str]) -> PhotoTree:
    """List the files of a folder and of the folders below it that are named as photos are.

    Links are followed when all that lies in the folder by a name of its own is listed, in the order of their paths: a link to
    a folder or to a file that is listed already is left out, and so no circle of links is followed twice. Folders, and files
    behind links, are the same if their devices and inodes are. A file with several names of its own (hard links) is listed by
    each. Names that begin with a dot or an underscore are left out, as Spark leaves them out.

    Args:
        root: The folder.
        is_photo: What the names of photos match.

    Raises:
        OSError: A folder cannot be listed: `filename` says which.

    """
    top = os.path.normpath(root.absolute())
    tree = PhotoTree(spell(top))
    folders: dict[tuple[object, ...], str] = {}  # where each folder was found
    links_to_folders, links_to_files = [top], []
    while links_to_folders:
        level, links_to_folders = sorted(links_to_folders), []
        for link in level:
            known = folders.setdefault(_identity(link, Path(link).stat()), link)
            if known != link:
                tree.repeated.append((spell(link), spell(known)))
                continue
            for path, target_status in _list_below(link, is_photo, folders, tree):
                if target_status is not None and stat.S_ISDIR(target_status.st_mode):
                    links_to_folders.append(path)
                elif is_photo.fullmatch(Path(path).name):
                    links_to_files.append((path, target_status))
                else:
                    tree.others[kind_of_other(path)] += 1
    targets: dict[tuple[object, ...], str] = {}
    for path, target_status in sorted(links_to_files, key=lambda link: link[0]):
        if target_status is None:
            tree.add(path, None, BROKEN_LINK)
            continue
        target = _listed_target(path, folders, is_photo) or targets.setdefault(_identity(path, target_status), path)
        if target == path:
            tree.add(path, target_status)
        else:
            tree.repeated.append((spell(path), spell(target)))
    return tree


def _list_below(
    top: str, is_photo: re.Pattern[str], folders: dict[tuple[object, ...], str], tree: PhotoTree
) -> Iterator[tuple[str, os.stat_result | None]]:
    """List what lies below a folder by names of its own.

    Yields:
        Each link, and the status of what it leads to: None if that is nothing.

    """
    pending = [top]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(folder) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
        except FileNotFoundError:  # it was deleted since the folder above it was read
            continue
        below = []
        for entry in entries:
            if is_hidden(entry.name):
                tree.others[kind_of_other(entry.name, is_folder=entry.is_dir(follow_symlinks=False))] += 1
                if entry.name.startswith("_"):
                    tree.ignored.append(spell(entry.path))
            elif entry.is_symlink():
                yield entry.path, _status_of_target(entry)
            elif entry.is_dir():
                known = folders.setdefault(_identity(entry.path, entry.stat()), entry.path)
                if known == entry.path:
                    below.append(entry.path)
                else:  # one folder that is mounted twice
                    tree.repeated.append((spell(entry.path), spell(known)))
            elif is_photo.fullmatch(entry.name):
                _add_file(entry, tree)
            else:
                tree.others[kind_of_other(entry.name)] += 1
        pending += reversed(below)


def _add_file(entry: os.DirEntry[str], tree: PhotoTree) -> None:
    try:
        status = entry.stat()
    except FileNotFoundError:  # it was deleted since the folder was read
        return
    tree.add(entry.path, status)


def _status_of_target(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat()
    except OSError:
        return None


def _identity(path: str, status: os.stat_result) -> tuple[object, ...]:
    """What is the same for two paths of one file or folder. Some network file systems number none of their files."""
    return (status.st_dev, status.st_ino) if status.st_ino else (str(Path(path).resolve()),)


def _listed_target(link: str, folders: dict[tuple[object, ...], str], is_photo: re.Pattern[str]) -> str | None:
    """By which path the target of a link to a file is listed, if it lies in a folder that is listed."""
    target = Path(link).resolve()
    found_at = folders.get(_identity(str(target.parent), target.parent.stat()))
    if found_at is None or not is_photo.fullmatch(target.name) or is_hidden(target.name):
        return None
    return str(Path(found_at, target.name))


def _describe_special_file(status: os.stat_result) -> str | None:
    return next((description for is_one, description in _SPECIAL_FILES if is_one(status.st_mode)), None)


def modified_at(status: os.stat_result) -> int:
    """When a file was modified, in milliseconds since 1970, as Java rounds it: by this a photo is known again."""
    return status.st_mtime_ns // 10**6


def spell(path: str) -> str:
    r"""Spell a path in UTF-8, with `\xe9` and the like for what is none: Python stands surrogates in for such bytes."""
    return os.fsencode(path).decode(errors="backslashreplace")


def is_hidden(name: str) -> bool:
    """Whether Spark passes over a file or folder of this name."""
    return name.startswith(".") or (name.startswith("_") and "=" not in name)


def kind_of_other(path: str, *, is_folder: bool = False) -> str:
    """Name the kind of a file or hidden folder that is not taken for a photo: all of one kind are counted together.

    Args:
        path: Its path, or its name alone.
        is_folder: Whether it is a folder.

    Returns:
        The ending in lower case (`.txt`), the name where there is no ending (`README`, `.DS_Store`), the name and a slash
        for a folder (`.git/`). A hidden file with an ending (`._1.jpg`) keeps its first character (`.*.jpg`), as it is left
        out for its beginning and not for its ending.

    """
    name, ending = Path(path).name, Path(path).suffix.lower()
    if is_folder:
        return spell(f"{name}/")
    if not ending:
        return spell(name)
    return spell(f"{name[0]}*{ending}" if is_hidden(name) else ending)


def glob_to_regex(glob: str) -> re.Pattern[str]:
    """Translate one of Hadoop's globs, of which braces, commas, stars, dots and classes of characters are used here."""
    replacements = {".": r"\.", "*": ".*", "{": "(?:", "}": ")", ",": "|"}
    return re.compile(re.sub(r"[.*{},]", lambda match: replacements[match[0]], glob), re.DOTALL)
