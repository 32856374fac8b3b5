"""One run at a time writes to a folder on S3: others are refused, the dead make room, and who was paused too long stops."""

from __future__ import annotations

import json
import signal
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.cluster.test_s3 import NO_REPORT, STORE, parameters_of
from tests.support.cluster.local_runs import LEASE_HAS_ENDED, LocalRun, run_here, started_here, with_short_lease
from tests.support.cluster.places import csv_below
from tests.support.killing import marked_processes, wait_until_gone
from tests.support.runs import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.cluster.places import Prefix
    from tests.support.runs import Outputs

pytestmark = pytest.mark.cluster

LOCK = "04_feature/.lock"


def holder(results: Prefix) -> int | None:
    """The process that holds the lock."""
    with suppress(results.store.client.exceptions.NoSuchKey):
        answer = results.store.client.get_object(Bucket=results.bucket, Key=f"{results.name}/{LOCK}")
        return int(json.load(answer["Body"])["process"])
    return None


def objects(results: Prefix) -> dict[str, str]:
    """Everything that is there, by what names its content."""
    answer = results.store.client.list_objects_v2(Bucket=results.bucket, Prefix=f"{results.name}/")
    assert not answer["IsTruncated"]
    return {entry["Key"]: entry["ETag"] for entry in answer["Contents"]}


def send(run: LocalRun, number: int) -> None:
    """Send a signal to every process of a run, the driver first."""
    for process in sorted(marked_processes(run.mark), key=lambda process: process.pid != run.process.pid):
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def check_results(results: Prefix, sample: Prefix, local_run: Outputs, folder: Path) -> None:
    outputs = results.download(folder)
    assert csv_below(outputs, sample.uri) == csv_below(local_run, f"file:{PROJECT / 'data' / '01_raw' / 'sample'}")
    assert not outputs.stored_photos().duplicated(["path", "length", "modificationTime", "fingerprint"]).any()
    assert not results.pending_uploads()
    assert not [name for name in results.names() if name.endswith(".lock") or "_write_check" in name]


def test_a_second_run_is_refused_and_a_dead_one_makes_room(
    sample: Prefix, results: Prefix, local_run: Outputs, tmp_path: Path
) -> None:
    parameters = parameters_of(sample, results, chunk_size=60)
    options = (*with_short_lease(tmp_path), *NO_REPORT)
    with started_here(results.store, tmp_path, *options, parameters=parameters) as first:
        first.wait_until(lambda: results.pending_uploads(STORE), "a chunk is being written")
        with started_here(results.store, tmp_path, *options, parameters=parameters) as second:
            assert second.wait() == 1
            assert "Starting Spark" in second.text
            told = f"another run (process {first.process.pid} on {socket.gethostname()}, since "
            assert told in second.text
            assert f" is writing to {results.uri}/04_feature: wait for it to end, or choose another folder" in second.text
        assert first.process.poll() is None, "the second was refused while the first ran"
        first.kill()
    assert holder(results) == first.process.pid
    time.sleep(LEASE_HAS_ENDED)
    said = run_here(results.store, tmp_path, *options, parameters=parameters)
    assert f"Took over {results.uri}/{LOCK}, as its holder has not renewed it: process {first.process.pid} on" in said
    check_results(results, sample, local_run, tmp_path / "results")


@pytest.mark.parametrize("moment", ["while the other writes", "when the other has ended"])
def test_a_run_that_was_paused_too_long_stops_and_changes_nothing(
    moment: str, sample: Prefix, results: Prefix, local_run: Outputs, tmp_path: Path
) -> None:
    parameters = parameters_of(sample, results, chunk_size=60)
    options = (*with_short_lease(tmp_path), *NO_REPORT)
    with started_here(results.store, tmp_path, *options, parameters=parameters) as paused:
        paused.wait_until(lambda: results.pending_uploads(STORE), "a chunk is being written")
        send(paused, signal.SIGSTOP)
        time.sleep(LEASE_HAS_ENDED)
        with started_here(results.store, tmp_path, *options, parameters=parameters) as other:
            other.wait_until(lambda: "photos to featurize" in other.text, "its locks are taken over")
            assert holder(results) == other.process.pid
            if moment == "while the other writes":
                other.wait_until(lambda: results.pending_uploads(STORE), "a chunk is being written")
                send(paused, signal.SIGCONT)
                assert paused.wait() == 1, paused.text
            assert other.wait() == 0, other.text
        before = objects(results)
        if moment == "when the other has ended":
            send(paused, signal.SIGCONT)
            assert paused.wait() == 1, paused.text
        wait_until_gone(paused.mark)
    assert objects(results) == before
    taker = (
        f"and another run (process {other.process.pid} on"
        if moment == "while the other writes"
        else "and is gone: another run"
    )
    assert f"Error: {results.uri}/{LOCK} was not renewed for " in paused.text
    assert taker in paused.text
    check_results(results, sample, local_run, tmp_path / "results")


def test_ctrl_c_gives_the_lock_back(sample: Prefix, results: Prefix, tmp_path: Path) -> None:
    with started_here(results.store, tmp_path, parameters=parameters_of(sample, results, chunk_size=60)) as run:
        run.wait_until(lambda: results.pending_uploads(STORE), "a chunk is being written")
        assert holder(results) == run.process.pid
        run.process.send_signal(signal.SIGINT)
        assert run.wait() == 130, run.text
    assert holder(results) is None
