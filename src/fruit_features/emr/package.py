"""`make package`: all that a cluster needs of this project, in `dist`."""

from __future__ import annotations

import argparse
import logging
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from fruit_features import __version__
from fruit_features.emr import run
from fruit_features.emr.environment import AMAZON_LINUX_GLIBC, Target, build_environment, pack

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger(__name__)

WHEEL = f"fruit_features-{__version__}-py3-none-any.whl"


def build_wheel(project: Path, dist: Path) -> Path:
    """Build the project's wheel, as `kedro package` does, but with the build backend of this environment."""
    shutil.rmtree(project / "build", ignore_errors=True)  # setuptools would pack what an earlier version left there
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(dist), str(project)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own
    return dist / WHEEL


def pack_configuration(conf: Path, archive: Path) -> None:
    """Pack `conf`, as `kedro package` does, without what is private: `local`, and credentials wherever they are."""

    def keep(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        parts = Path(member.name).parts
        is_private = parts[1:2] == ("local",) or "credentials" in parts[-1]
        return None if is_private else member

    with tarfile.open(archive, "w:gz") as tar:
        tar.add(conf, arcname="conf", filter=keep)


def package(project: Path, dist: Path, target: Target) -> list[Path]:
    """Write the wheel, the configuration, the environment and the entry point.

    Args:
        project: This project's folder.
        dist: Where to.
        target: What the cluster's nodes are like.

    Returns:
        The files.

    """
    dist.mkdir(parents=True, exist_ok=True)
    wheel, entry_point = build_wheel(project, dist), dist / "run.py"
    environment = dist / f"environment-{target.machine}.tar.gz"
    with tempfile.TemporaryDirectory(dir=dist) as work:
        folder = Path(work, "environment")
        build_environment((project / "requirements.lock").read_text(), wheel, target, folder)
        pack(folder, environment)
    pack_configuration(project / "conf", dist / run.ARCHIVE)
    shutil.copyfile(run.__file__, entry_point)
    return [wheel, dist / run.ARCHIVE, environment, entry_point]


def main(arguments: Sequence[str] | None = None) -> None:
    """Package the project in the working directory."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    here = {"arm64": "aarch64"}.get(platform.machine(), platform.machine())  # as macOS calls it, and Linux
    parser.add_argument("--machine", choices=("x86_64", "aarch64"), default=here, help="of the cluster's nodes")
    parser.add_argument(
        "--python",
        type=Path,
        default=Path(sys.executable).resolve(),
        help=f"where Python {sys.version_info.major}.{sys.version_info.minor} is on every node (default: where it is here)",
    )
    parser.add_argument(
        "--glibc",
        type=int,
        default=AMAZON_LINUX_GLIBC,
        help="minor version of the nodes' C library (default: %(default)s, as on Amazon Linux 2023)",
    )
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        files = package(Path.cwd(), Path("dist"), Target(given.machine, given.python, given.glibc))
    except RuntimeError as error:
        sys.exit(f"Error: {error}")
    for file in files:
        logger.info("%8.1f MB  %s", file.stat().st_size / 1e6, file)


if __name__ == "__main__":
    main()
