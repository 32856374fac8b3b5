"""A copy of the project to run in as a newcomer would, and what a demo run leaves in it.

The project's own `data/` and `conf/local/` are neither used nor touched. Spark is made as small as the tests' own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.support.runs import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

_COPIED = (
    ".telemetry",
    "Makefile",
    "README.md",
    "pyproject.toml",
    "requirements.lock",
    "requirements-build.lock",
    "requirements-dev.lock",
    "conf",
    "docs",
    "notebooks",
    "scripts",
    "src",
    "data/README.md",
    "data/01_raw/sample",
)
"""All that a run needs; no `.git`, which a machine without git would lack."""


def copy_project(project: Path) -> Path:
    """Copy the project, with this Python as its `.venv`."""
    for name in _COPIED:
        source, target = PROJECT / name, project / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("local", "__pycache__", "*.egg-info", ".*"))
        else:
            shutil.copy2(source, target)
    (project / ".venv").symlink_to(sys.prefix, target_is_directory=True)
    for environment in ("demo", "local"):
        (project / "conf" / environment).mkdir(exist_ok=True)
        shutil.copy(PROJECT / "conf" / "test" / "spark.yml", project / "conf" / environment)
    return project


@dataclass(frozen=True)
class DemoRun:
    """A copy of the project after `make demo`; tests that run on take a copy of their own.

    Attributes:
        project: The folder of the copy.
        said: What was printed, log and errors included.

    """

    project: Path
    said: str


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    """What `make demo` does once `.venv` is there, in a process of its own."""
    project = copy_project(tmp_path_factory.mktemp("demo") / "project")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [".venv/bin/kedro", "run", "--env", "demo"]
    run = subprocess.run(
        command, cwd=project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert run.returncode == 0, run.stdout
    return DemoRun(project, run.stdout)
