"""Days go by: photos come, change, move and go, parameters change, runs break off; what a run writes never shows it."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from kedro.framework.session import KedroSession
from PIL import Image

from fruit_features.datasets import GrowingSparkDataset, NetworkDataset
from tests.support.killing import Moment, started_run
from tests.support.photos import COLOURS, encoded, fruit
from tests.support.runs import PROJECT, Outputs, as_path, load_catalog, run_project

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import DataFrame

    from tests.support.photos import PhotoTree

LABELS = ("Pear", "Apple Red 1", "Café Crème", "label=x", "100% #1")
"""Folders, some of which a URI or Spark might read otherwise."""

REDUCTIONS: tuple[dict[str, Any], ...] = (
    {"variance_threshold": 0.9, "n_components": None},
    {"variance_threshold": 0.5, "n_components": None},
    {"variance_threshold": 0.99, "n_components": None},
    {"n_components": 2},
)
CHUNK_SIZE = 5
SOME_DAY = 1_700_000_000_000  # milliseconds since the epoch
MIN_GOOD = 4
CHANGES_PER_DAY = 3  # at least, before results are compared: that takes seconds, a change none

ANY = st.integers(0, 2**16)
BROKEN = st.sampled_from([b"", b"not a photo at all", encoded(fruit("Pear", 0), "JPEG")[:600]])


class Days(RuleBasedStateMachine):
    """A tree of photos, the results that every run renews, and what must come of them.

    Times of modification are told by a clock of our own, of which no two photos have the same millisecond: path, length and
    time are what the photo index knows a photo by; its content is what the feature store knows it by.
    """

    networks: Outputs
    folder: Path

    def __init__(self) -> None:
        super().__init__()
        self.home = self.folder / f"example {len(list(self.folder.iterdir()))}"
        self.photos, self.outputs = self.home / "photos", self.networks.with_networks_only(self.home / "data")
        self.good: set[Path] = set()
        self.broken: set[Path] = set()
        self.parameters: dict[str, dict[str, Any]] = {
            "featurization": {"apply_exif_orientation": False},
            "reduction": REDUCTIONS[0],
        }
        self.n_ticks = self.n_compared = self.n_moves = 0
        self.n_changes = self.n_changes_of_a_broken_run = 0

    # --- photos -------------------------------------------------------------------------------------------------------

    @initialize(seed=ANY)
    def the_first_photos_are_there(self, seed: int) -> None:
        for number in range(MIN_GOOD + 3):
            self._write_good(self.photos / LABELS[number % 2] / f"{number}.jpg", seed + number)

    @rule(label=st.sampled_from(LABELS), seed=ANY)
    def a_photo_comes(self, label: str, seed: int) -> None:
        self._write_good(self.photos / label / f"{seed}.jpg", seed)

    @rule(label=st.sampled_from(LABELS), seed=ANY, content=BROKEN)
    def a_broken_photo_comes(self, label: str, seed: int, content: bytes) -> None:
        self._write_broken(self.photos / label / f"{seed}.jpg", content)

    @precondition(lambda self: self.broken)
    @rule(choice=ANY, seed=ANY)
    def a_broken_photo_is_mended(self, choice: int, seed: int) -> None:
        self._write_good(self._one_of(self.broken, choice), seed)

    @precondition(lambda self: len(self.good) > MIN_GOOD)
    @rule(choice=ANY, content=BROKEN)
    def a_photo_breaks(self, choice: int, content: bytes) -> None:
        self._write_broken(self._one_of(self.good, choice), content)

    @rule(choice=ANY, seed=ANY)
    def a_photo_is_replaced(self, choice: int, seed: int) -> None:
        self._write_good(self._one_of(self.good, choice), seed)

    @rule(choice=ANY, is_older=st.booleans())
    def a_photo_has_another_time(self, choice: int, is_older: bool) -> None:
        self._tick(self._one_of(self.good | self.broken, choice), is_older=is_older)

    @precondition(lambda self: len(self.good) > MIN_GOOD)
    @rule(choice=ANY)
    def a_photo_goes(self, choice: int) -> None:
        path = self._one_of(self.good, choice)
        path.unlink()
        self._forget(path)
        self.n_changes += 1

    @precondition(lambda self: len(self.good) > MIN_GOOD)
    @rule(choice=ANY, other=ANY)
    def a_photo_takes_the_place_of_another(self, choice: int, other: int) -> None:
        source = self._one_of(self.good, choice)
        target = self._one_of({path for path in self.good if path != source}, other)
        source.replace(target)  # with its own length and time
        self._forget(source)
        self.n_changes += 1

    @rule(choice=ANY, label=st.sampled_from(LABELS), number=ANY)
    def a_photo_moves(self, choice: int, label: str, number: int) -> None:
        source, target = self._one_of(self.good | self.broken, choice), self.photos / label / f"moved {number}.jpg"
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            source.rename(target)
            (self.good if source in self.good else self.broken).add(target)
            self._forget(source)
            self.n_changes += 1

    @rule(choice=ANY, new=st.sampled_from([*LABELS, "Quince", "Été"]))
    def a_label_is_renamed(self, choice: int, new: str) -> None:
        source, target = self._one_of(self.good, choice).parent, self.photos / new
        if not target.exists():
            source.rename(target)
            for known in (self.good, self.broken):
                moved = {path for path in known if path.parent == source}
                known.difference_update(moved)
                known.update(target / path.name for path in moved)
            self.n_changes += 1

    @rule(choice=ANY, label=st.sampled_from(LABELS), number=ANY, keeps_time=st.booleans())
    def a_photo_is_copied(self, choice: int, label: str, number: int, *, keeps_time: bool) -> None:
        source, target = self._one_of(self.good | self.broken, choice), self.photos / label / f"copy {number}.jpg"
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            shutil.copy2(source, target)
            (self.good if source in self.good else self.broken).add(target)
            if not keeps_time:
                self._tick(target)
            self.n_changes += 1

    @rule()
    def all_photos_go_elsewhere(self) -> None:
        """As by `mv`, `cp -rp` or a checkout of another machine: other paths, the same contents."""
        self.n_moves += 1
        root = self.photos.with_name(f"photos {self.n_moves}")
        self.photos.rename(root)
        for known in (self.good, self.broken):
            moved = {root / path.relative_to(self.photos) for path in known}
            known.clear()
            known.update(moved)
        self.photos = root
        self.n_changes += 1

    @rule()
    def the_store_is_carried_elsewhere(self) -> None:
        """To another `output_root`, with nothing else but the networks."""
        self.n_moves += 1
        outputs = self.networks.with_networks_only(self.home / f"data {self.n_moves}")
        for table in ("feature_store", "photo_index"):
            if (self.outputs.root / "04_feature" / table).exists():
                shutil.copytree(self.outputs.root / "04_feature" / table, outputs.root / "04_feature" / table)
        self.outputs = outputs
        self.n_changes += 1

    # --- parameters ---------------------------------------------------------------------------------------------------

    @rule(reduction=st.sampled_from(REDUCTIONS), is_upright=st.booleans())
    def other_parameters_are_wanted(self, reduction: dict[str, Any], is_upright: bool) -> None:
        wanted = {"featurization": {"apply_exif_orientation": is_upright}, "reduction": reduction}
        self.n_changes += wanted != self.parameters
        self.parameters = wanted

    # --- runs ---------------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.may_break_off())
    @rule(last=st.sampled_from(["ingestion", "featurization", "reduction"]))
    def a_run_comes_to_a_stage_only(self, last: str) -> None:
        stages = ["ingestion", "featurization", "reduction"]
        self._run(self.outputs, *stages[: stages.index(last) + 1])
        self.n_changes_of_a_broken_run = self.n_changes

    @precondition(lambda self: self.may_break_off())
    @rule(n_chunks=st.integers(0, 2))
    def a_run_dies_after_some_chunks(self, n_chunks: int) -> None:
        save, n_saved = GrowingSparkDataset.save, 0

        def save_or_die(dataset: GrowingSparkDataset, chunk: DataFrame) -> None:
            nonlocal n_saved
            if n_saved == n_chunks:
                raise OSError("power cut")
            n_saved += 1
            save(dataset, chunk)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(GrowingSparkDataset, "save", save_or_die)
            try:
                self._run(self.outputs)
            except Exception as error:
                if "power cut" not in str(error):
                    raise
        self.n_changes_of_a_broken_run = self.n_changes

    @precondition(lambda self: self.n_changes >= CHANGES_PER_DAY)
    @rule()
    def a_run_gives_what_a_run_from_scratch_gives(self) -> None:
        expected = self._expected_counts()
        self._run(self.outputs)
        counts = self.outputs.counts()
        assert {name: counts[name] for name in expected} == expected, "each content is featurized once"
        assert counts["listed"] == len(self.good | self.broken)

        table, rejected = self.outputs.pca_features_csv(), _by_path(self.outputs.rejected_images())
        assert [as_path(uri) for uri in table["path"]] == sorted(self.good, key=str)
        assert table["label"].tolist() == [as_path(uri).parent.name for uri in table["path"]]
        assert {as_path(uri) for uri in rejected["path"]} == self.broken

        scratch = self.networks.with_networks_only(self.home / f"scratch {self.n_compared}")
        self._run(scratch, "ingestion", "featurization", "reduction", "export", chunk_size=1000)
        assert self.outputs.csv_bytes() == scratch.csv_bytes()
        pd.testing.assert_frame_equal(rejected, _by_path(scratch.rejected_images()))
        self.n_compared += 1
        self.n_changes = self.n_changes_of_a_broken_run = 0

    def teardown(self) -> None:
        if self.n_changes:
            self.a_run_gives_what_a_run_from_scratch_gives()

    def may_break_off(self) -> bool:
        """There is something new to do since a run last broke off."""
        return self.n_changes > self.n_changes_of_a_broken_run

    # --- what rules share ---------------------------------------------------------------------------------------------

    def _run(self, outputs: Outputs, *pipelines: str, chunk_size: int = CHUNK_SIZE) -> None:
        parameters = self.parameters | {"featurization": self.parameters["featurization"] | {"chunk_size": chunk_size}}
        run_project(self.photos, outputs, *pipelines, **parameters)

    def _write_good(self, path: Path, seed: int) -> None:
        """A photo that the camera was turned for, or not; many have the same length, for it is not what tells them apart."""
        exif = Image.Exif()
        exif[0x0112] = 1 + seed % 8
        self._write(path, encoded(fruit(list(COLOURS)[seed % len(COLOURS)], seed), "JPEG", exif=exif).ljust(4096, b"\0"))
        self.good.add(path)

    def _write_broken(self, path: Path, content: bytes) -> None:
        self._write(path, content)
        self.broken.add(path)

    def _write(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self._forget(path)
        self._tick(path)

    def _forget(self, path: Path) -> None:
        self.good.discard(path)
        self.broken.discard(path)

    def _tick(self, path: Path, *, is_older: bool = False) -> None:
        self.n_ticks += 1
        milliseconds = SOME_DAY - self.n_ticks if is_older else SOME_DAY + self.n_ticks
        os.utime(path, ns=(milliseconds * 10**6, milliseconds * 10**6))
        self.n_changes += 1

    def _one_of(self, paths: set[Path], choice: int) -> Path:
        return sorted(paths)[choice % len(paths)]

    def _expected_counts(self) -> dict[str, int]:
        """What the next run has to do: featurize the contents that the store lacks, and only those."""
        indexed = self._indexed()
        new = {path: digest for path, digest in self._digests().items() if digest not in self._stored()}
        known_copies = Counter(digest for path, digest in new.items() if self._key(path) in indexed)
        of_good = {digest for path, digest in new.items() if path in self.good}
        return {"featurized": len(new) - known_copies.total() + len(known_copies), "inferred": len(of_good)}

    def _key(self, path: Path) -> tuple[Path, int, int]:
        """Path, length and time in milliseconds."""
        status = path.stat()
        return path, status.st_size, status.st_mtime_ns // 10**6

    def _digests(self) -> dict[Path, str]:
        return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in self.good | self.broken}

    def _indexed(self) -> set[tuple[Path, int, int]]:
        """The photos of the index, none of them twice."""
        if not any((self.outputs.root / "04_feature" / "photo_index").glob("*.parquet")):
            return set()
        index = self.outputs.photo_index()
        times = index["modificationTime"].to_numpy("datetime64[ms]").astype(np.int64).tolist()
        keys = [*zip(map(as_path, index["path"]), index["length"], times, strict=True)]
        assert len(keys) == len(set(keys))
        return set(keys)

    def _stored(self) -> set[str]:
        """The contents that the feature store has for the network of these parameters, none of them twice."""
        if not any((self.outputs.root / "04_feature" / "feature_store").glob("*.parquet")):
            return set()
        store = self.outputs.feature_store()
        store = store[store["fingerprint"] == fingerprint_of(self.parameters["featurization"]["apply_exif_orientation"])]
        assert store["digest"].is_unique
        return set(store["digest"])


class DaysWithKills(Days):
    """The same, with runs that are killed."""

    @precondition(lambda self: self.may_break_off())
    @rule(seed=ANY)
    def a_run_is_killed(self, seed: int) -> None:
        dice = random.Random(seed)
        wanted = str(self.parameters["featurization"]["apply_exif_orientation"]).lower()
        parameters = f"featurization.apply_exif_orientation={wanted},featurization.chunk_size={CHUNK_SIZE}"
        with started_run(self.photos, self.outputs, parameters=parameters) as run:
            run.kill_after(Moment(said="photos to featurize"), dice.uniform(0, 1), lambda run: run.processes())
            assert run.wait() != 0
        self.n_changes_of_a_broken_run = self.n_changes


def _by_path(table: pd.DataFrame) -> pd.DataFrame:
    return table.sort_values("path", ignore_index=True)


def fingerprint_of(apply_exif_orientation: bool) -> str:
    given = {"featurization": {"apply_exif_orientation": apply_exif_orientation}}
    with KedroSession.create(PROJECT, env="test", runtime_params=given) as session:
        return session.load_context().params["featurization"].network.fingerprint()


@pytest.fixture(scope="module")
def networks(full_run: Outputs, photo_tree: PhotoTree, tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    """The network for upright photos, too: the same one, by another name, so that no run has to build it."""
    outputs = full_run.with_networks_only(tmp_path_factory.mktemp("networks") / "data")
    (stored,) = load_catalog(photo_tree.root, outputs).load("networks").values()
    network = stored.load()
    assert network.fingerprint == fingerprint_of(False)
    name = fingerprint_of(True)
    NetworkDataset(filepath=str(outputs.networks)).save(replace(network, fingerprint=name, configuration=name))
    return outputs


@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize(
    ("machine", "n_examples", "n_steps"),
    [
        pytest.param(Days, 1, 10, id="a few"),
        pytest.param(Days, 3, 12, id="some", marks=pytest.mark.slow),
        pytest.param(DaysWithKills, 6, 40, id="many, some of them bad", marks=pytest.mark.slow),
    ],
)
def test_no_history_shows_in_the_results(
    machine: type[Days], n_examples: int, n_steps: int, networks: Outputs, tmp_path: Path
) -> None:
    history = type(machine.__name__, (machine,), {"networks": networks, "folder": tmp_path})
    run_state_machine_as_test(
        history,
        settings=settings(
            max_examples=n_examples,
            stateful_step_count=n_steps,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],  # to shrink a failure would take hours
            suppress_health_check=list(HealthCheck),
        ),
    )
