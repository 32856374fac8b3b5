"""The table at the end of a run: every count, the most frequent reasons, and places as they are."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from fruit_features.terminal.summary import MAX_REASONS, show

PLACES = {
    "pca_features_csv": "s3a://bucket/[bold]/pca_features_csv",
    "rejected_images": f"/data/{'long/' * 60}rejected_images",
    "explained_variance": "/data/explained_variance.csv",
    "metadata_mismatches": "/data/metadata_mismatches",
}


def shown(
    reasons: dict[str, int],
    *,
    speed: float = 12.5,
    seconds: float | None = 1234.6,
    counts: dict[str, Any] | None = None,
    **places: str,
) -> str:
    listed = {"listed": 12_345, "featurized": 345, "reused": 12_000, "rejected": 45, "exported": 12_300}
    report: dict[str, Any] = {
        "counts": listed | (counts or {}),
        "rejected_by_reason": reasons,
        "components": 54,
        "images_per_second": speed,
        "seconds_per_node": {"list_photos": 1.4, "fit_pca": 2.8},
    }
    console = Console(file=io.StringIO(), width=80)
    show(report, PLACES | places, console, seconds=seconds)
    return console.file.getvalue()  # type: ignore[attr-defined]


def rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines() if line.strip()]


def test_every_count_is_shown_with_the_place_of_its_photos() -> None:
    assert [" ".join(row).split() for row in rows(shown({"empty file": 45}))] == [
        ["photos", "listed", "12,345"],
        ["featurized", "now", "345", "12.5", "a", "second"],
        ["reused", "12,000"],
        ["photos", "rejected", "45", PLACES["rejected_images"]],
        ["45", "empty", "file"],
        ["photos", "exported", "12,300", PLACES["pca_features_csv"]],
        ["components", "kept", "54", PLACES["explained_variance"]],
        ["seconds", "1,235", "for", "the", "whole", "run,", "with", "Spark's", "start"],
    ]


def test_what_was_not_taken_for_a_photo_is_one_line() -> None:
    left_out = {".txt": 1_200, ".mp4": 3, "[red]\x1b": 3, ".a": 2, ".b": 1, ".c": 1}
    lines = [" ".join(row) for row in rows(shown({}, counts={"left_out": left_out}))]
    assert lines[1] == r"not photos 1,210 .txt 1,200, .mp4 3, [red]\x1b 3, .a 2, and 2 more"
    for nothing in ({}, {"left_out": {}}, {"left_out": None, "metadata_mismatches": None}, {"metadata_mismatches": 0}):
        assert "not" not in shown({}, counts=nothing)


def test_names_that_differ_from_the_table_are_counted() -> None:
    lines = [" ".join(row) for row in rows(shown({}, counts={"metadata_mismatches": 7}))]
    assert "not as in table 7 /data/metadata_mismatches" in lines


def test_seconds_of_a_run_that_nobody_timed_are_those_of_its_nodes() -> None:
    assert rows(shown({}, seconds=None))[-1] == ["seconds", "4", "in the steps of the run, without Spark's start"]


def test_of_many_reasons_the_most_frequent_are_shown() -> None:
    text = shown({f"reason {letter}": number for number, letter in enumerate("abcdefgh", start=1)})
    assert [line.split()[-1] for line in text.splitlines() if "reason " in line] == list("hgfed")[:MAX_REASONS]
    assert "6    for other reasons" in text


def test_reasons_that_differ_by_a_number_are_one() -> None:
    text = shown({f"truncated: {number} bytes are missing": number for number in range(1, 8)} | {"empty file": 27})
    assert [row for row in rows(text) if row[-1].startswith(("truncated", "empty"))] == [
        ["28", "truncated: # bytes are missing"],
        ["27", "empty file"],
    ]
    assert "other reasons" not in text


def test_a_speed_is_shown_where_something_was_featurized() -> None:
    assert "a second" not in shown({}, speed=0.0)


def test_the_page_is_named_if_it_was_drawn() -> None:
    assert "browser" not in shown({})
    assert "Open data/[report].html in a browser." in shown({}, report="data/[report].html")
