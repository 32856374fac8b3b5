"""The real servers that the tests run against, built or fetched once and kept in a folder that may be deleted at any time."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.runs import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CACHE = PROJECT / ".cache" / "cluster"
_HERE = Path(__file__).parent
_COPY_DEPENDENCIES = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_PROVIDED_BY_SPARK = "org.slf4j,commons-codec,commons-logging"


def s3_server() -> Path:
    """Executable of VersityGW, an S3 server on top of a folder, built from the module in `s3_server`."""
    module = _HERE / "s3_server"
    executable = _kept("s3_server", module / "go.sum") / "versitygw"
    with _one_at_a_time():
        if not executable.exists():
            unfinished = executable.with_suffix(".unfinished")
            package = "github.com/versity/versitygw/cmd/versitygw"
            _run(["go", "build", "-mod=readonly", "-ldflags=-s -w", "-o", str(unfinished), package], folder=module)
            unfinished.rename(executable)
    return executable


def jars(name: str) -> Path:
    """Folder of the jars that `jars/<name>.xml` asks for."""
    pom = _HERE / "jars" / f"{name}.xml"
    folder = _kept(f"jars_{name}", pom) / "jars"
    with _one_at_a_time():
        if not folder.exists():
            unfinished = folder.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            options = [f"-DoutputDirectory={unfinished}", "-DincludeScope=runtime"]
            if name == "s3a":
                options.append(f"-DexcludeGroupIds={_PROVIDED_BY_SPARK}")
            _run(["mvn", "--batch-mode", "--quiet", "--file", str(pom), _COPY_DEPENDENCIES, *options], folder=_HERE)
            unfinished.rename(folder)
    return folder


def java_home() -> Path:
    """A JDK or JRE 17, which YARN runs on."""
    for java in (Path(os.environ.get("JAVA_HOME", "/nowhere"), "bin", "java"), Path(shutil.which("java") or "/nowhere")):
        home = java.resolve().parent.parent
        if java.exists() and "17" in _version(java):
            return home
    pytest.fail("the tests on a cluster need a Java 17 in JAVA_HOME or PATH: apt-get install openjdk-17-jre-headless")


def require_tools() -> None:
    """Say at once what has to be installed."""
    missing = {"go": "golang-go (1.25 or newer)", "mvn": "maven"}
    wanted = [package for tool, package in missing.items() if shutil.which(tool) is None]
    if wanted:
        pytest.fail(f"the tests on a cluster build a real S3 server and a real YARN: install {' and '.join(wanted)}")


def _version(java: Path) -> str:
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=True).stderr
    return answer.splitlines()[0].split('"')[1].split(".")[0]


def _kept(name: str, pinned_by: Path) -> Path:
    digest = hashlib.sha256(pinned_by.read_bytes()).hexdigest()[:12]
    folder = CACHE / f"{name}.{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Let other processes of these tests wait for what this one builds or fetches."""
    with (CACHE / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(command: Sequence[str], folder: Path) -> None:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode:
        pytest.fail(f"{' '.join(command)}:\n{result.stdout[-3000:]}{result.stderr[-3000:]}")
