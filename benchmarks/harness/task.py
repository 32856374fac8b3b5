"""The command line that Daft, Ray Data and the bare loop share, and the file in which a contestant leaves its timings."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

PHOTOS_PER_CALL = 64
"""Photos that a worker is handed at a time: as many as the project's Arrow batches hold."""

_TIMINGS = "timings.json"


@dataclass(frozen=True)
class Task:
    """Featurize a folder of photos.

    Attributes:
        images: Folder of photos.
        out: Folder for `features` (parquet: path, features) and the timings.
        network: Folder of the network, as a run of the project kept it.
        batch_size: Photos per inference call.
        cores: Cores to use.

    """

    images: Path
    out: Path
    network: Path
    batch_size: int
    cores: int

    @classmethod
    def from_command_line(cls, description: str | None) -> Task:
        """Parse the arguments of this process."""
        parser = argparse.ArgumentParser(description=description)
        parser.add_argument("--images", type=Path, required=True, help="folder of photos")
        parser.add_argument("--out", type=Path, required=True, help="folder for features and timings")
        parser.add_argument("--network", type=Path, required=True, help="folder of a network that a run kept")
        parser.add_argument("--batch-size", type=int, required=True, help="photos per inference call")
        parser.add_argument("--cores", type=int, required=True, help="cores to use")
        return cls(**vars(parser.parse_args()))

    @property
    def features(self) -> Path:
        """Folder for the features."""
        return self.out / "features"


def write_timings(out: Path, **seconds: float) -> None:
    """Leave the seconds of each phase for whoever started this process."""
    (out / _TIMINGS).write_text(json.dumps({phase: round(value, 3) for phase, value in seconds.items()}))


def read_timings(out: Path) -> dict[str, float]:
    """Read what `write_timings` wrote."""
    timings: dict[str, float] = json.loads((out / _TIMINGS).read_text())
    return timings
