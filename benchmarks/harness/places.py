"""Where things are."""

from __future__ import annotations

import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BENCHMARKS = Path(__file__).resolve().parents[1]
PROJECT = BENCHMARKS.parent
PYTHON = Path(sys.executable)
RIVALS_PYTHON = PROJECT / ".venv-bench" / "bin" / "python"
"""Daft and Ray have an environment of their own: `benchmarks/setup.sh` makes it."""

DATALAB_PYTHON = PROJECT / ".venv-bench-datalab" / "bin" / "python"
FASTDUP_PYTHON = PROJECT / ".venv-bench-fastdup" / "bin" / "python"
"""So has each of these two, as they need different versions of NumPy: `benchmarks/setup.sh datalab fastdup` makes them."""

QUIET = {"KEDRO_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1", "RAY_USAGE_STATS_ENABLED": "0", "SENTRY_OPT_OUT": "1"}
"""Environment in which nobody calls home."""


@contextmanager
def scratch_folder(parent: Path | None) -> Iterator[Path]:
    """Make an empty folder for what a benchmark writes, in `parent` or the system's for temporary files, and remove it."""
    if parent:
        parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fruit_features_", dir=parent) as folder:
        yield Path(folder)
