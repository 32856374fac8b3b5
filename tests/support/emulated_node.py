"""A node with an aarch64 processor, on this machine: Debian's Python and C library for it, run by QEMU.

QEMU's user-mode emulation runs one program of aarch64 as a process of this machine's Linux. The program sees this machine's
files, and before them those of the node's root: `/usr/lib/python3.11` is the node's, a folder of the test is the test's. A
program that it starts in turn runs on this machine's own processor, as no binfmt_misc is asked for.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyspark
import pytest

from fruit_features.spark.java import use_supported_java
from tests.support.runs import PROJECT

if TYPE_CHECKING:
    from collections.abc import Sequence

MACHINE = "aarch64"
PYTHON = Path("/usr/bin/python3.11")
"""The interpreter of Debian 12, and of Amazon Linux 2023 where it was installed."""

TIMEOUT = 1800.0  # seconds that a command on the node may take: it is some twenty times slower than here

_CACHE = PROJECT / ".cache" / "aarch64"
_QEMU = "qemu-aarch64-static"
_PROCESSOR = "neoverse-n1"
"""Graviton2's cores. QEMU refuses the instructions that they lack, such as SVE."""

_SUITE = "bookworm"
_PACKAGES = ("python3.11", "libstdc++6")
_SPARK_HOME = Path(pyspark.__file__).parent

_CPUINFO = """\
processor\t: {number}
BogoMIPS\t: 243.75
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp ssbs
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x3
CPU part\t: 0xd0c
CPU revision\t: 1

"""
"""What Linux says of a core of Graviton2. By itself QEMU 7.2 shows this machine's `/proc/cpuinfo`: there ONNX Runtime finds no
core that it knows, and crashes as it is imported."""


def require_tools() -> None:
    """Skip what needs the node where it cannot be made."""
    missing = [tool for tool in (_QEMU, "debootstrap", "dpkg-deb") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not found: apt-get install qemu-user-static debootstrap (on Debian or Ubuntu)")
    if os.geteuid() != 0:
        pytest.skip("debootstrap runs as root only")
    if f"python{sys.version_info.major}.{sys.version_info.minor}" != PYTHON.name:
        pytest.skip(f"the node has {PYTHON.name}, and an environment is packaged by the Python that it is for")


def node_root() -> Path:
    """The node's files: Debian's packages, fetched once and unpacked. None of their programs has been run to set them up."""
    root = _CACHE / _SUITE
    if not root.exists():
        unfinished = root.with_suffix(".unfinished")
        packages = root.with_suffix(".packages")
        shutil.rmtree(unfinished, ignore_errors=True)
        packages.mkdir(parents=True, exist_ok=True)
        options = ["--arch=arm64", "--variant=minbase", f"--include={','.join(_PACKAGES)}", "--download-only"]
        _run(["debootstrap", *options, _SUITE, str(packages)])
        for package in sorted(packages.glob("var/cache/apt/archives/*.deb")):
            _run(["dpkg-deb", "--extract", str(package), str(unfinished)])
        n_cores = len(os.sched_getaffinity(0))
        (unfinished / "proc").mkdir(exist_ok=True)
        (unfinished / "proc" / "cpuinfo").write_text("".join(_CPUINFO.format(number=number) for number in range(n_cores)))
        unfinished.rename(root)
        shutil.rmtree(packages)
    return root


@dataclass(frozen=True)
class Node:
    """A node that the environment was sent to.

    Attributes:
        root: Its own files.
        folder: Its working directory, where `environment` is unpacked as Spark does it.

    """

    root: Path
    folder: Path

    @property
    def environment(self) -> Path:
        return self.folder / "environment"

    def python(self) -> Path:
        """Write a program that starts the environment's Python.

        The environment's own `bin/python` leads to the Python of the node, which is none of this machine's. QEMU is told the
        name that the program was called by (`-0`), by which Python finds out that it is in an environment.
        """
        program = self.folder / "python"
        named = self.environment / "bin" / "python"
        assert named.readlink() == PYTHON
        command = [_QEMU, "-cpu", _PROCESSOR, "-L", self.root, "-0", named, f"{self.root}{PYTHON}"]
        program.write_text(f'#!/bin/sh\nexec {shlex.join(map(str, command))} "$@"\n')
        program.chmod(0o755)
        return program

    def run(self, *arguments: str) -> str:
        """Run Python on the node, with Spark's Python on its path as Spark puts it there; what it prints."""
        return _run([str(self.python()), *arguments], self.folder, _with_spark())

    def spark_submit(self, *arguments: str) -> str:
        """Submit a program to Spark: Java runs on this machine, and all of Python on the node, driver and workers; its log."""
        python = str(self.python())
        environment = {
            **_clean(),
            "PYSPARK_DRIVER_PYTHON": python,
            "PYSPARK_PYTHON": python,
            "JAVA_HOME": str(use_supported_java()),
            "SPARK_HOME": str(_SPARK_HOME),
            "SPARK_LOCAL_IP": "127.0.0.1",
        }
        return _run([str(_SPARK_HOME / "bin" / "spark-submit"), *arguments], self.folder, environment)


def _clean() -> dict[str, str]:
    """This process's variables, but for those that lead to this machine's Python packages."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYSPARK_", "SPARK_"))}


def _with_spark() -> dict[str, str]:
    zips = sorted((_SPARK_HOME / "python" / "lib").glob("*.zip"))
    return {**_clean(), "PYTHONPATH": os.pathsep.join(map(str, zips))}


def _run(command: Sequence[str], folder: Path | None = None, environment: dict[str, str] | None = None) -> str:
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    if result.returncode:
        pytest.fail(f"{shlex.join(command)}:\n{result.stdout[-3000:]}{result.stderr[-3000:]}")
    return result.stdout + result.stderr
