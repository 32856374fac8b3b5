"""Where things are."""

from __future__ import annotations

import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[1]
PROJECT = BENCHMARKS.parent
PYTHON = Path(sys.executable)
RIVALS_PYTHON = PROJECT / ".venv-bench" / "bin" / "python"
"""Daft and Ray have an environment of their own: `benchmarks/setup.sh` makes it."""

QUIET = {"KEDRO_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1", "RAY_USAGE_STATS_ENABLED": "0"}
"""Environment in which nobody calls home."""
