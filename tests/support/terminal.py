"""A terminal for programs under test, and what a person would see on it."""

from __future__ import annotations

import io
import os
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pexpect
from rich.console import Console

from tests.support.runs import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable

HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"

_CODE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|(\r)|(\n)|([^\x1b\r\n]+)")


class TerminalFile(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def terminal_console(width: int = 100) -> Console:
    return Console(file=TerminalFile(), force_terminal=True, force_interactive=True, width=width)


def lines_on_screen(written: str) -> list[str]:
    """Interpret the codes that the display uses, on a screen where no line is too long: what remains to be read."""
    lines, row, column = [""], 0, 0
    for match in _CODE.finditer(written):
        parameter, code, is_return, is_newline, text = match.groups()
        if text:
            lines[row] = lines[row].ljust(column)[:column] + text + lines[row][column + len(text) :]
            column += len(text)
        elif is_return or (code, parameter) == ("G", ""):
            column = 0
        elif is_newline:
            row, column = row + 1, 0
            lines.extend([""] * (row + 1 - len(lines)))
        elif code == "A":
            row -= int(parameter)
        elif (code, parameter) == ("K", "2"):
            lines[row] = ""
        else:
            assert code in "mhl", f"the display moves the cursor by a code that no test knows: {match[0]!r}"
    return "\n".join(line.rstrip() for line in lines).rstrip("\n").split("\n")


def states_of_the_display(written: str) -> list[str]:
    """All that a line showed before it was erased, without colours."""
    plain = re.sub(r"\x1b\[[0-9;?]*[mhl]", "", written)
    return [state.strip() for state in re.findall(r"\x1b\[2K([^\x1b\r\n]+)\r", plain)]


@dataclass(frozen=True)
class Session:
    """A run in a terminal of 100 columns.

    Attributes:
        written: All that came to the terminal, codes included.
        exit_code: What the run ended with.

    """

    written: str
    exit_code: int


def kedro_run_in_a_terminal(parameters: str, meanwhile: Callable[[pexpect.spawn[str]], None] | None = None) -> Session:
    """Run the project in the environment `test`; `meanwhile` may watch for words and press keys."""
    command = ["-m", "kedro", "run", "--env", "test", "--params", parameters]
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}  # the run sets it
    environment["TERM"] = "xterm-256color"
    child = pexpect.spawn(
        sys.executable, command, cwd=str(PROJECT), env=environment, dimensions=(40, 100), encoding="utf-8", timeout=300
    )
    log = child.logfile_read = io.StringIO()
    if meanwhile is not None:
        meanwhile(child)
    child.expect(pexpect.EOF)
    child.close()
    return Session(log.getvalue(), child.exitstatus)
