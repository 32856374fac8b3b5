"""Small files that are written through fsspec, as Kedro's datasets do: the old content or the new one, and never a part."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import fsspec
import pandas as pd
import pytest
from kedro_datasets.json import JSONDataset
from kedro_datasets.pandas import CSVDataset, ParquetDataset
from kedro_datasets.text import TextDataset

from fruit_features.storage.whole_files import WholeFileSystem

if TYPE_CHECKING:
    from pathlib import Path

WRITER = """
import sys
import fsspec
from fruit_features.storage.whole_files import write_whole_files

write_whole_files()
file_system = fsspec.filesystem("file", auto_mkdir=True)
print("ready", flush=True)
for number in range(10_000):
    with file_system.open(sys.argv[1], "w") as file:
        for _ in range(1000):
            file.write(f"{number} " * 100)
"""


def test_the_project_s_datasets_write_whole_files() -> None:
    assert isinstance(fsspec.filesystem("file"), WholeFileSystem), "the settings of the project see to it"


@pytest.mark.parametrize(
    ("dataset", "data"),
    [
        (JSONDataset, {"listed": 3}),
        (TextDataset, "<p>ü</p>"),
        (CSVDataset, pd.DataFrame({"component": [1, 2]})),
        (ParquetDataset, pd.DataFrame({"component": [1, 2]})),
    ],
)
def test_what_is_saved_is_loaded_and_nothing_lies_beside_it(dataset: Any, data: Any, tmp_path: Path) -> None:
    place = tmp_path / "08_reporting" / "my file"
    for _ in range(2):
        dataset(filepath=str(place)).save(data)
    loaded = dataset(filepath=str(place)).load()
    assert loaded.equals(data) if isinstance(data, pd.DataFrame) else loaded == data
    assert [path.name for path in place.parent.iterdir()] == ["my file"]


def test_a_save_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    place = tmp_path / "counts.json"
    JSONDataset(filepath=str(place)).save({"listed": 3})
    with pytest.raises(Exception, match="not JSON serializable"):
        JSONDataset(filepath=str(place)).save({"listed": 4, "more": object()})
    assert json.loads(place.read_text()) == {"listed": 3}
    assert [path.name for path in tmp_path.iterdir()] == ["counts.json"]


def test_a_file_that_is_saved_while_an_error_is_handled_is_saved(tmp_path: Path) -> None:
    place = tmp_path / "report.json"
    try:
        (tmp_path / "absent").read_text()
    except FileNotFoundError as error:
        JSONDataset(filepath=str(place)).save({"error": str(error)})
    assert "absent" in json.loads(place.read_text())["error"]


def test_a_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    JSONDataset(filepath=str(tmp_path / "ours.json")).save({})
    (tmp_path / "plain.json").touch()
    assert (tmp_path / "ours.json").stat().st_mode == (tmp_path / "plain.json").stat().st_mode


def test_a_writer_that_is_killed_leaves_the_file_before_or_the_file_after(tmp_path: Path) -> None:
    place = tmp_path / "page.html"
    for delay in (0.1, 0.15, 0.2):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(place)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        while not place.exists():
            time.sleep(0.01)
        time.sleep(delay)
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        words = place.read_text().split()
        assert len(words) == 100_000
        assert len(set(words)) == 1
