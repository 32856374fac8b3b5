"""Which software a run is made of, as far as its results may depend on it."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_PACKAGE: Final = Path(__file__).resolve().parents[2]

_INSTALLED: Final = (".dist-info", ".egg-info")
"""Endings of the folders in which installers keep what they have installed; name and version stand before them."""

_OTHER_INSTALLATIONS: Final = ("JAVA_HOME", "SPARK_HOME")


def identify_software(package: Path = _PACKAGE) -> dict[str, str | None]:
    """Identify this package's code, the packages that are installed, and Python.

    The version of a package alone says nothing of a checkout that is being edited, so that the code is identified by the
    content of its files; installed packages are by their versions, and by when they were installed.

    Args:
        package: Folder of the code.

    Returns:
        Text by name; None for what cannot be identified, as code in an archive.

    """
    return {
        "the code of this project": _digest(_files(package)),
        "installed packages": _digest(_installed()),
        "Python": f"{sys.version} {platform.machine()}",
        "Java and Spark": " ".join(f"{name}={os.environ.get(name, '')}" for name in _OTHER_INSTALLATIONS),
    }


def _files(package: Path) -> Iterator[str]:
    for path in sorted(package.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield f"{path.relative_to(package).as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}"


def _installed() -> Iterator[str]:
    for folder in sorted({folder for folder in sys.path if folder and Path(folder).is_dir()}):
        with os.scandir(folder) as entries:
            found = [f"{entry.path} {entry.stat().st_mtime_ns}" for entry in entries if entry.name.endswith(_INSTALLED)]
        yield from sorted(found)


def _digest(lines: Iterator[str]) -> str | None:
    described = "\n".join(lines)
    return hashlib.sha256(described.encode(errors="surrogateescape")).hexdigest() if described else None
