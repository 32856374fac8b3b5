"""The tutorials, each from its first command to its last in one terminal: all commands run, and print what the page says."""

from __future__ import annotations

import os
import re
import subprocess
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.support.project_copy import copy_project
from tests.support.runs import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAGES = ("tutorial.md", "own-network.md")

HOME = "/home/me"
"""Where the pages' project lies."""

MAKE = """
make() {  # .venv is there, and a server would run for ever
    case "$1" in viz) command make --old-file .venv/.ready -n viz ;; *) command make --old-file .venv/.ready "$@" ;; esac
}
"""


def steps(page: str) -> list[tuple[str, list[str]]]:
    """Commands, and the lines that the page says they print, in order."""
    text = (PROJECT / "docs" / page).read_text()
    blocks = re.findall(r"^```(sh|text)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    found: list[tuple[str, list[str]]] = []
    for language, text in blocks:
        if language == "sh":
            found.append((text, []))
        else:
            found[-1][1].extend(text.splitlines())
    return found


def masked(line: str) -> str:
    """A line without what differs from run to run, and the digits that differ from processor to processor."""
    words = " ".join(line.split())  # columns are as wide as their longest number
    timeless = re.sub(r"^\d\d:\d\d:\d\d|[\d.]+ a second|^seconds \d+", "~", words)
    return re.sub(r"(\.\d\d)\d+", r"\1~", timeless)


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[str]]:
    """What each block of commands on a page printed, errors included; a page is followed once."""
    return cache(lambda page: follow(page, tmp_path_factory))


def follow(page: str, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    home = tmp_path_factory.mktemp("tutorial")
    project = copy_project(home / "fruit_features")
    mark = "-- end of block --"
    script = MAKE + "".join(f"{commands}echo {mark}\n" for commands, _ in steps(page))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    terminal = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert terminal.returncode == 0, terminal.stdout
    assert_undone(home, project)
    return terminal.stdout.replace(str(home), HOME).split(f"{mark}\n")[:-1]


def assert_undone(home: Path, project: Path) -> None:
    assert [path.name for path in home.iterdir()] == ["fruit_features"]
    assert [path.name for path in (project / "conf" / "local").iterdir()] == ["spark.yml"]


@pytest.mark.parametrize(
    ("page", "number"),
    [
        pytest.param(page, number, marks=[] if page == PAGES[0] else pytest.mark.slow)
        for page in PAGES
        for number in range(len(steps(page)))
    ],
)
def test_it_prints_what_the_page_says(page: str, number: int, printed: Callable[[str], list[str]]) -> None:
    commands, shown = steps(page)[number]
    said = printed(page)[number]
    real = iter([masked(line) for line in said.splitlines()])
    for line in shown:
        assert masked(line) in real, f"{commands}did not print {line!r}, or not in this order:\n{said}"
