"""Markdown tables that read well as plain text too."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from harness import machine

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

NOTHING = "-"
"""In a cell that has no number."""


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out a table: the first column to the left, the others, numbers, to the right."""
    lines = [list(header), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = [f"{'-' * widths[0]}", *(f"{'-' * (width - 1)}:" for width in widths[1:])]
    padded = [
        [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
        for line in (lines[0], rule, *lines[1:])
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in padded)


def number(values: Iterable[float | None], digits: int = 1, unit: str = "") -> str:
    """Median of what there is."""
    present = [value for value in values if value is not None]
    return f"{median(present):,.{digits}f}{unit}" if present else NOTHING


def number_with_range(values: Sequence[float], digits: int = 1) -> str:
    """Median, smallest and largest."""
    return f"{number(values, digits)} ({min(values):,.{digits}f}-{max(values):,.{digits}f})"


def publish(out: Path, versions: Mapping[str, str], tables: Sequence[str], *, heading: str = "", **numbers: Any) -> None:
    """Print tables and keep them, beside the numbers behind them, and in the place that a README there has for them.

    Both say what was run, on what, when, and with what.

    Args:
        out: File for the numbers; the tables go to the same name with .md.
        versions: Of the packages that count.
        tables: Markdown.
        heading: A line to begin with.
        numbers: What goes into the file, by name.

    """
    command, described = _command_line(), machine.describe()
    text = "\n\n".join(filter(None, [heading, _provenance(command, described, versions), *tables]))
    print(f"\n{text}")
    results = {"command": command, "machine": described, "versions": versions, **numbers}
    out.write_text(json.dumps(results, indent=1) + "\n")
    page, readme = out.with_suffix(".md"), out.with_name("README.md")
    page.write_text(f"{text}\n")
    if readme.exists():
        begin, end = f"<!-- {page.name} -->", f"<!-- /{page.name} -->"
        place = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        readme.write_text(place.sub(lambda _: f"{begin}\n\n{text}\n\n{end}", readme.read_text()))


def _provenance(command: str, described: Mapping[str, Any], versions: Mapping[str, str]) -> str:
    features = ", ".join(described["features"]) or "no vector extensions that matter here"
    return "\n".join(
        [
            f"- command: `{command}`",
            f"- processor: {described['processor']} (family/model {described['family_and_model']}; {features})",
            f"- cores: {described['cores']}; memory: {described['memory_gib']} GiB",
            f"- system: {described['system']}; date: {described['date']}",
            f"- versions: {', '.join(f'{name} {version}' for name, version in versions.items())}",
        ]
    )


def _command_line() -> str:
    """The command of this process; of absolute paths, which mean nothing elsewhere, only the names."""
    words = (re.sub("^([^/]*=)?/.*/(.+)", r"\1\2", word) for word in sys.argv[1:])
    return shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *words])
