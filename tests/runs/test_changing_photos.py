"""Photos that are changed while a run goes on: the run ends well, and the next one shows no trace of it."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from kedro.framework.hooks import hook_impl
from kedro.framework.session import KedroSession

from fruit_features.spark.feature_store import UNREADABLE
from tests.support.photos import COLOURS, encoded, fruit
from tests.support.runs import MISSION, PROJECT, Outputs, as_path, run_project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("spark")

LENGTH = 4000  # bytes of every photo: path, length and time are what a photo is known by
LISTED = 1_700_000_000_000_000_000  # nanoseconds since the epoch: when every photo was modified
DAY = 86_400 * 10**9
TOMORROW_IN_2100 = 4_102_444_800 * 10**9


def write_photo(path: Path, seed: int, modified: int = LISTED) -> None:
    """Write a photo of the length and the time of all others; bytes after a JPEG's end are no part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(fruit(path.parent.name, seed), "JPEG").ljust(LENGTH, b"\0"))
    os.utime(path, ns=(modified, modified))


def set_time(path: Path, modified: int) -> None:
    os.utime(path, ns=(modified, modified))


CHANGES: dict[str, Callable[[Path], None]] = {
    "replaced by an older one": lambda path: write_photo(path, 50, LISTED - DAY),
    "replaced by an older one of before 1970": lambda path: write_photo(path, 51, -DAY + 1),
    "replaced by one of the future": lambda path: write_photo(path, 52, TOMORROW_IN_2100),
    "replaced a millisecond later": lambda path: write_photo(path, 53, LISTED + 10**6),
    "replaced for the time being": lambda path: write_photo(path, 54, LISTED + DAY),
    "set back": lambda path: set_time(path, LISTED - DAY),
    "put forward": lambda path: set_time(path, TOMORROW_IN_2100),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "emptied": lambda path: path.write_bytes(b""),
    "broken": lambda path: path.write_bytes(b"no photo".ljust(LENGTH, b"\0")),
    "deleted": lambda path: path.unlink(),
    "a folder": lambda path: (path.unlink(), path.mkdir()),  # type: ignore[dict-item,func-returns-value]
}
"""What may become of a photo, by the name of that photo."""


def run_and_change(photos: Path, outputs: Outputs, after: str, change: Callable[[], None]) -> None:
    """Run everything, and change photos as soon as a dataset has been saved for the first time."""

    class Disturbance:
        has_come = False

        @hook_impl
        def after_dataset_saved(self, dataset_name: str) -> None:
            if dataset_name == after and not self.has_come:
                self.has_come = True
                change()

    disturbance = Disturbance()
    parameters: dict[str, Any] = {"images_root": str(photos), "output_root": str(outputs.root)}
    with KedroSession.create(PROJECT, env="test", runtime_params=parameters) as session:
        session._hook_manager.register(disturbance)
        session.run()
    assert disturbance.has_come


def write_tree(photos: Path) -> dict[str, Path]:
    """Photos that stay as they are, and one for each change."""
    for label in COLOURS:
        for seed in range(6):
            write_photo(photos / label / f"{seed}.jpg", seed)
    changing = {name: photos / "Pear" / f"{name}.jpg" for name in CHANGES}
    for seed, path in enumerate(changing.values()):
        write_photo(path, 100 + seed)
    return changing


def change_all(changing: dict[str, Path]) -> None:
    for name, change in CHANGES.items():
        change(changing[name])
    write_photo(changing["deleted"].with_name("new.jpg"), 200)


@pytest.mark.parametrize(
    "after",
    [
        "pending_photos",
        pytest.param("photos", marks=pytest.mark.slow),
        pytest.param("feature_store", marks=pytest.mark.slow),
    ],
)
def test_photos_that_change_during_a_run_leave_no_trace(after: str, full_run: Outputs, tmp_path: Path) -> None:
    photos, outputs = tmp_path / "photos", full_run.with_networks_only(tmp_path / "data")
    changing = write_tree(photos)
    kept = tmp_path / "kept.jpg"
    shutil.copy2(changing["replaced for the time being"], kept)
    run_and_change(photos, outputs, after, lambda: change_all(changing))

    reasons = {as_path(row.path): row.reason for row in outputs.rejected_images().itertuples()}
    exported = {as_path(path) for path in outputs.pca_features()["path"]}
    listed = {*changing.values(), *photos.glob("*/[0-9].jpg")}
    assert exported | reasons.keys() == listed
    assert exported.isdisjoint(reasons)
    assert set(reasons.values()) <= {UNREADABLE}
    if after == "feature_store":  # the first chunk had been read by then
        assert reasons.keys() < {*changing.values()}
    else:
        assert reasons.keys() == {*changing.values()}

    shutil.copy2(kept, changing["replaced for the time being"])  # with the time that it had when it was listed
    run_project(photos, outputs, *MISSION)
    from_scratch = run_project(photos, full_run.with_networks_only(tmp_path / "from scratch"), *MISSION)
    assert outputs.csv_bytes() == from_scratch.csv_bytes()
    assert outputs.rejected_images().equals(from_scratch.rejected_images())
    assert not outputs.stored_photos().duplicated(["path", "length", "modificationTime", "fingerprint"]).any()
