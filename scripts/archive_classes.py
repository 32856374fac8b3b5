"""Archives the classes that Spark loads, so that Java starts in half the time: run by `make setup`, once per environment.

The demo is run, and its Java writes down which classes it has loaded when it ends. Without an archive, everything works as
well, and every run starts some three seconds later.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from pyspark import SparkContext

from fruit_features.spark.java import ClassArchive, use_supported_java

PROJECT = Path(__file__).resolve().parents[1]

SECONDS_TO_WRITE = 300


def main() -> int:
    """Make the archive, unless it is there. A failure is told, and is none of the command's."""
    started = time.monotonic()
    archive = ClassArchive.of(use_supported_java())
    if archive is None or archive.is_complete:
        return 0
    print("Archiving the classes that Spark loads: a minute or so, once", flush=True)
    try:
        _archive(archive)
    except Exception as error:  # whatever it is, runs do without
        print(f"The classes that Spark loads could not be archived; runs will start three seconds later: {_first_line(error)}")
        return 0
    print(f"Done in {time.monotonic() - started:.0f} seconds", flush=True)
    return 0


def _first_line(error: Exception) -> str:
    """What an error says, without the stack that Java's errors bring along."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def _archive(archive: ClassArchive) -> None:
    java = Path(os.environ["JAVA_HOME"], "bin", "java")
    archive.classes.parent.mkdir(parents=True, exist_ok=True)
    if archive.base is not None:
        unfinished_base = archive.base.with_suffix(f".{os.getpid()}")
        dump = [java, "-Xshare:dump", f"-XX:SharedArchiveFile={unfinished_base}"]
        subprocess.run(dump, check=True, capture_output=True)
        unfinished_base.replace(archive.base)
    unfinished = archive.classes.with_suffix(f".{os.getpid()}")
    ClassArchive(archive.base, unfinished).use(to_make=True)
    try:
        with tempfile.TemporaryDirectory() as output:
            _run_demo(output)
            _end_java()
        unfinished.replace(archive.classes)
    finally:
        unfinished.unlink(missing_ok=True)


def _run_demo(output: str) -> None:
    bootstrap_project(PROJECT)
    images = PROJECT / "data" / "01_raw" / "sample"
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        KedroSession.create(
            PROJECT, env="demo", runtime_params={"output_root": output, "images_root": str(images)}
        ) as session,
    ):
        logging.disable()
        session.run()


def _end_java() -> None:
    """End Java as the end of this process would, and wait until it has written the archive."""
    context = SparkContext._active_spark_context  # noqa: SLF001 - Spark has no name for them
    gateway = SparkContext._gateway  # noqa: SLF001
    if context is None or gateway is None:
        raise RuntimeError("Spark has not been started")
    java = gateway.proc
    context.stop()
    gateway.shutdown()
    java.stdin.close()
    java.wait(SECONDS_TO_WRITE)


if __name__ == "__main__":
    sys.exit(main())
