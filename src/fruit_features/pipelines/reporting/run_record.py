"""What a run has done so far: written by a hook while the run lasts, and read by the report."""

from __future__ import annotations

import importlib.metadata
import platform
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_REPORTED_PACKAGES = ("fruit-features", "kedro", "openvino", "onnxruntime", "numpy", "scikit-learn", "pillow", "pyarrow")


@dataclass
class RunRecord:
    """What one run has counted and timed. Nothing is taken over from an earlier run.

    Attributes:
        parameters: What the run was given.
        pipelines: Names of the pipelines that are run.
        featurization_counts: featurized, reused and others, once this run has counted them; empty until then.
        photo_counts: listed, exported and others, once this run has counted them; empty until then.
        listing_counts: not_in_folder and not_in_table, once this run has listed the photos: how many names only the table of
            labels or only the folder has, None without a table; empty until then.
        left_out: How many files and hidden folders were not taken for photos, by kind, once this run has listed the photos;
            None until then, and where Spark lists them.
        fingerprint: Fingerprint of the network that the results are of, once that is known.

    """

    parameters: dict[str, Any]
    pipelines: list[str]
    featurization_counts: dict[str, Any] = field(default_factory=dict)
    photo_counts: dict[str, Any] = field(default_factory=dict)
    listing_counts: dict[str, int | None] = field(default_factory=dict)
    left_out: dict[str, int] | None = None
    fingerprint: str | None = None
    _node_spans: dict[str, list[float]] = field(default_factory=dict)

    def begin(self, node: str) -> None:
        """Note that a node loads its first input, or another one."""
        now = time.perf_counter()
        self._node_spans.setdefault(node, [now, now])

    def end(self, node: str) -> None:
        """Note that a node has saved an output: Spark does the work while it saves."""
        self._node_spans[node][1] = time.perf_counter()

    def describe(self) -> dict[str, Any]:
        """Describe the run as `run_report` holds it; None stands for what it did not count. Nodes at work have no time yet."""
        import pyspark

        seconds = {name: round(end - start, 3) for name, (start, end) in self._node_spans.items() if end > start}
        featurizing = seconds.get("featurize_photos", 0.0)
        counted = self.featurization_counts | self.photo_counts
        listed, featurized = counted.get("listed"), counted.get("featurized", 0)
        return {
            "counts": {
                "listed": listed,
                "featurized": featurized,
                "reused": counted.get("reused", listed),  # a run that featurized nothing took everything
                "inferred": counted.get("inferred", 0),
                "rejected": counted.get("rejected"),
                "exported": counted.get("exported"),
                "orientation_ignored": counted.get("orientation_ignored"),
                "left_out": self.left_out,
                "metadata_mismatches": _total(self.listing_counts),
            },
            "rejected_by_reason": counted.get("rejected_by_reason"),
            "components": counted.get("components"),
            "pipelines": self.pipelines,
            "seconds_per_node": seconds,
            "images_per_second": round(featurized / featurizing, 1) if featurizing else 0.0,
            "fingerprint": self.fingerprint,
            "parameters": self.parameters,
            "versions": {"python": platform.python_version(), "pyspark": pyspark.__version__}  # a cluster brings its own
            | {name: importlib.metadata.version(name) for name in _REPORTED_PACKAGES if _is_installed(name)},
        }


def _is_installed(package: str) -> bool:
    """Whether a package is there: the nodes of a cluster have the engines that run on their processors."""
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _total(counts: Mapping[str, int | None]) -> int | None:
    """Add numbers up; None if there are none that have been counted."""
    counted = [count for count in counts.values() if count is not None]
    return sum(counted) if counted else None
