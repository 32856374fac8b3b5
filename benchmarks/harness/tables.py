"""Markdown tables that read well as plain text too."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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


def provenance(machine: dict[str, Any], versions: dict[str, str]) -> str:
    """Say what was run, on what, when, and with what."""
    features = ", ".join(machine["features"]) or "no vector extensions that matter here"
    return "\n".join(
        [
            f"- command: `{command_line()}`",
            f"- processor: {machine['processor']} (family/model {machine['family_and_model']}; {features})",
            f"- cores: {machine['cores']}; memory: {machine['memory_gib']} GiB",
            f"- system: {machine['system']}; date: {machine['date']}",
            f"- versions: {', '.join(f'{name} {version}' for name, version in versions.items())}",
        ]
    )


def command_line() -> str:
    """The command of this process; of absolute paths, which mean nothing elsewhere, only the names."""
    words = (re.sub("^([^/]*=)?/.*/(.+)", r"\1\2", word) for word in sys.argv[1:])
    return shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *words])


def publish(out: Path, results: dict[str, Any], text: str) -> None:
    """Print tables and keep them, beside the numbers behind them, and in the place that a README there has for them.

    Args:
        out: File for the numbers; the tables go to the same name with .md.
        results: The numbers.
        text: Markdown.

    """
    print(f"\n{text}")
    out.write_text(json.dumps(results, indent=1) + "\n")
    tables, readme = out.with_suffix(".md"), out.with_name("README.md")
    tables.write_text(f"{text}\n")
    if readme.exists():
        begin, end = f"<!-- {tables.name} -->", f"<!-- /{tables.name} -->"
        place = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        readme.write_text(place.sub(lambda _: f"{begin}\n\n{text}\n\n{end}", readme.read_text()))
