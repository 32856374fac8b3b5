"""Prints the summary at the end of a run: its counts, and where its results are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rich
from rich.text import Text

from fruit_features.photos.reasons import group_reasons
from fruit_features.terminal.wording import most_frequent, speed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

MAX_REASONS = 5
"""Reasons for rejects that are shown, without their numbers; `rejected_images` has them all."""

MAX_KINDS = 4
"""Kinds of files that are no photos and are shown with their numbers; `run_report` has more."""

_TURNS_THEM = "featurization.apply_exif_orientation=true turns them"


def show(
    run_report: Mapping[str, Any],
    places: Mapping[str, str],
    console: Console | None = None,
    *,
    seconds: float | None = None,
) -> None:
    """Show what came out of a run.

    Args:
        run_report: counts, rejected_by_reason, components, images_per_second, seconds_per_node.
        places: Where `pca_features_csv`, `rejected_images`, `explained_variance`, `metadata_mismatches` (if there are
            any) and, if it was drawn, `report` lie.
        console: Rich's, by default the one of this process.
        seconds: What the whole run took by the clock. Where that is not known, as of a run on another machine, the seconds of
            all nodes are added up.

    """
    console = console or rich.get_console()
    counts, per_second = run_report["counts"], run_report["images_per_second"]
    # A run that listed no photos counts none of these, and nor did runs of earlier versions.
    left_out, n_mismatches = counts.get("left_out") or {}, counts.get("metadata_mismatches") or 0
    n_turned = counts.get("orientation_ignored") or 0
    reasons = list(group_reasons(run_report["rejected_by_reason"]).items())
    others = sum(count for _, count in reasons[MAX_REASONS:])
    rows = [
        ("photos listed", counts["listed"], ""),
        *([("not photos", sum(left_out.values()), most_frequent(left_out, MAX_KINDS))] if left_out else []),
        *([("not as in table", n_mismatches, places["metadata_mismatches"])] if n_mismatches else []),
        ("  featurized now", counts["featurized"], speed(per_second) if per_second else ""),
        ("  reused", counts["reused"], ""),
        *([("  not upright", n_turned, f"by their EXIF tags: {_TURNS_THEM}")] if n_turned else []),
        ("photos rejected", counts["rejected"], places["rejected_images"]),
        *(("", count, f"  {reason}") for reason, count in reasons[:MAX_REASONS]),
        *([("", others, "  for other reasons")] if others else []),
        ("photos exported", counts["exported"], places["pca_features_csv"]),
        ("components kept", run_report["components"], places["explained_variance"]),
        ("seconds", round(sum(run_report["seconds_per_node"].values())), "in the steps of the run, without Spark's start")
        if seconds is None
        else ("seconds", round(seconds), "for the whole run, with Spark's start"),
    ]
    width = max(len(f"{number:,}") for _, number, _ in rows)
    lines = [
        Text.assemble(f"{name:18}", (f"{number:>{width},}", "bold"), f"  {note}" if note else "")
        for name, number, note in rows
    ]
    # Softly wrapped, so that a path stays one word that can be copied, in a terminal as in a file.
    console.print("", *lines, sep="\n", soft_wrap=True)
    if "report" in places:
        console.print(Text(f"\nOpen {places['report']} in a browser."), soft_wrap=True)
