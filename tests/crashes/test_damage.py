"""Damaged files under `output_root`: the next run has the right results, or says which file to delete, and then has them."""

from __future__ import annotations

import contextlib
import random
import re
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from click.testing import CliRunner

from fruit_features.cli import run
from fruit_features.storage import digests
from tests.support.damage import KINDS, damage, flip_bit, overwrite, zero
from tests.support.runs import PROJECT, Outputs, run_project

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.photos import PhotoTree

pytestmark = pytest.mark.usefixtures("spark")

N_DAMAGES = 200
DAMAGES_PER_SEED = 20
DAMAGES_AT_ONCE = 4  # of four files: a run takes seconds
SHARE_OF_PARTIAL_RUNS = 0.5
MAX_LINES = 8

READ_BY = {
    "02_intermediate": "featurization,reduction,export,reporting",
    "04_feature": "reduction,export,reporting",
    "06_models": "export,reporting",
    "07_model_output": "reporting",
    "08_reporting": "reporting",
}
"""The part of a run that begins with what lies in a folder."""


@dataclass(frozen=True)
class Settled:
    """An `output_root` that a run of few photos left, to be damaged and mended again and again."""

    photos: Path
    outputs: Outputs
    csv: bytes

    def run(self, *options: str) -> tuple[bool, str]:
        """Run in this process: whether it ended well, and its error."""
        roots = f"images_root={self.photos},output_root={self.outputs.root},reporting.max_quality_photos=0"
        with contextlib.chdir(PROJECT):
            result = CliRunner().invoke(run, ["--env", "test", "--params", roots, *options])
        return result.exit_code == 0, result.output[result.output.find("Error:") :] if result.exit_code else ""

    def mend(self, *options: str) -> list[Path]:
        """Run, follow the cures that errors name, and see that the results are right at last; what had to be deleted."""
        deleted: list[Path] = []
        succeeded, error = self.run(*options)
        while not succeeded:
            assert len(error.splitlines()) <= MAX_LINES, error
            assert "\tat " not in error, error
            for path in to_be_deleted(error):
                assert self.outputs.root in path.parents, error
                assert path not in deleted, error
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                deleted.append(path)
            succeeded, error = self.run()
        assert self.outputs.csv_bytes() == self.csv
        return deleted


def to_be_deleted(error: str) -> list[Path]:
    """The files or folders that an error says to delete, as a reader of it would find them."""
    if named := re.search(r"[Dd]elete (/\S+), and", error):
        return [Path(named[1])]
    listed = re.search(r"damaged: (.+?)(?: and \d+ more)?\. What", error)
    assert listed, error
    return [Path(path) for path in listed[1].split(", ")]


@pytest.fixture(scope="module")
def settled(full_run: Outputs, photo_tree: PhotoTree, tmp_path_factory: pytest.TempPathFactory) -> Settled:
    """Twelve photos, one of them broken."""
    root = tmp_path_factory.mktemp("damage")
    chance = random.Random(0)
    for path in [*chance.sample(sorted(photo_tree.good), 11), next(iter(sorted(photo_tree.bad)))]:
        copy = root / "photos" / path.parent.name / path.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
    outputs = run_project(root / "photos", full_run.with_networks_only(root / "data"))
    return Settled(root / "photos", outputs, outputs.csv_bytes())


def store_files(outputs: Outputs) -> list[Path]:
    return sorted((outputs.root / "04_feature" / "feature_store").glob("part-*.parquet"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(N_DAMAGES // DAMAGES_PER_SEED))
def test_no_damage_to_any_file_changes_results_unnoticed(
    seed: int, settled: Settled, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(seed)
    ends: Counter[str] = Counter()
    while ends.total() < DAMAGES_PER_SEED:
        # Folders by turns: a network has few files, the feature store has many, and each counts.
        folders = sorted({path.parent for path in settled.outputs.root.rglob("*") if path.is_file()})
        done: dict[Path, str] = {}
        while len(done) < DAMAGES_AT_ONCE:
            path = chance.choice(sorted(path for path in chance.choice(folders).iterdir() if path.is_file()))
            kind = chance.choice(KINDS)
            if path not in done and damage(path, kind, chance):
                done[path] = kind.__name__
        part = READ_BY[chance.choice([*done]).relative_to(settled.outputs.root).parts[0]]
        is_partial = chance.random() < SHARE_OF_PARTIAL_RUNS
        if is_partial and part == "reporting" and any(path.parent.name == "pca_features_csv" for path in done):
            is_partial = False  # reporting neither reads nor writes the CSV, which is compared afterwards
        deleted = settled.mend(*(["--pipelines", part] if is_partial else []))
        for path, kind_name in done.items():
            is_named = not {path, *path.parents}.isdisjoint(deleted)
            ends[f"{kind_name}, {'named, and then' if is_named else 'not named:'} the right results"] += 1
    with capsys.disabled():
        print("\n" + "\n".join(f"{n:3}  {end}" for end, n in sorted(ends.items())))  # noqa: T201


def test_damaged_files_are_named_and_a_run_without_them_has_the_same_results(settled: Settled) -> None:
    damages: dict[str, tuple[Callable[[bytes, random.Random], bytes], str | None]] = {
        "04_feature/feature_store/part-*.parquet": (flip_bit, None),
        "04_feature/photo_index/part-*.parquet": (flip_bit, None),
        "06_models/pca_model.parquet": (flip_bit, "export,reporting"),
        "04_feature/featurized_photos/part-*.parquet": (zero, "export,reporting"),
        "04_feature/featurization_counts.json": (overwrite, "findings"),
        "08_reporting/photo_counts.json": (overwrite, "reporting"),
    }
    for pattern, (kind, part) in damages.items():
        path = max(settled.outputs.root.glob(pattern), key=lambda path: path.stat().st_size)
        assert damage(path, kind, random.Random(1))
        succeeded, error = settled.run(*(["--pipelines", part] if part else []))
        assert not succeeded
        assert str(path) in error
        assert len(error.splitlines()) <= MAX_LINES
        for named in to_be_deleted(error):
            shutil.rmtree(named) if named.is_dir() else named.unlink()
        assert not path.exists()
    assert settled.run()[0]
    assert settled.outputs.csv_bytes() == settled.csv


@pytest.mark.parametrize("name", ["06_models/pca_model.parquet", "08_reporting/photo_counts.json"])
def test_small_tables_without_a_digest_are_named_by_what_reads_them(name: str, settled: Settled) -> None:
    path = settled.outputs.root / name
    path.with_name(digests.RECORD).unlink()
    whole = path.read_bytes()
    half = len(whole) // 2
    path.write_bytes(whole[:half] + bytes([whole[half] ^ 0x80]) + whole[half + 1 :])
    succeeded, error = settled.run("--pipelines", READ_BY[path.parent.name])
    assert not succeeded
    assert re.search(rf"{path} cannot be read .*Delete it, and write it anew: kedro run --pipelines featurization,", error), (
        error
    )
    assert len(error.splitlines()) <= MAX_LINES
    path.write_bytes(whole)


def test_a_model_without_checksums_is_read_and_gets_a_digest(settled: Settled) -> None:
    path = settled.outputs.root / "06_models" / "pca_model.parquet"
    path.with_name(digests.RECORD).unlink(missing_ok=True)
    pd.read_parquet(path).to_parquet(path)  # as earlier versions wrote it
    assert settled.run("--pipelines", "export") == (True, "")
    assert settled.outputs.csv_bytes() == settled.csv
    assert path.name in path.with_name(digests.RECORD).read_text()
