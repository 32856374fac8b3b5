"""Where things are."""

from __future__ import annotations

import sys
from pathlib import Path

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
