"""What a benchmark ran on and with."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import psutil

from harness.places import PYTHON

_SPEED_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
"""Features of a processor that decide how fast float32, bfloat16 and int8 are."""


def describe() -> dict[str, object]:
    """Processor, cores, memory, system and date."""
    cpuinfo = _cpuinfo()
    flags = cpuinfo.get("flags", "").split()
    return {
        "processor": cpuinfo.get("model name") or platform.processor() or platform.machine(),
        "family_and_model": f"{cpuinfo.get('cpu family', '?')}/{cpuinfo.get('model', '?')}",
        "features": [flag for flag in _SPEED_FLAGS if flag in flags],
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": platform.platform(terse=True),
        "date": datetime.now(tz=UTC).date().isoformat(),
    }


def versions(packages: tuple[str, ...], python: Path = PYTHON) -> dict[str, str]:
    """Ask an environment for the versions of packages."""
    if python == PYTHON:
        return {name: importlib.metadata.version(name) for name in packages}
    program = "import sys, json, importlib.metadata as m; print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"
    answer = subprocess.run([python, "-c", program, *packages], check=True, capture_output=True, text=True).stdout
    found: dict[str, str] = json.loads(answer)
    return found


def _cpuinfo() -> dict[str, str]:
    """Entries of the first processor in Linux's /proc/cpuinfo; none elsewhere."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return {}
    first = path.read_text().split("\n\n", maxsplit=1)[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
