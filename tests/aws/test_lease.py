"""The lock on S3, kept by moto's server, and processes that die or are paused; `cluster/test_one_writer.py` has runs."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread, Timer
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from kedro.framework.project import pipelines
from moto.server import DomainDispatcherApplication, create_backend_app
from s3fs import S3FileSystem
from werkzeug.serving import make_server

from fruit_features.storage.lease import Lease, LeaseHeldError, LeaseLostError
from tests.runs.test_hooks import output_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

BUCKET = "results"
ROOT = f"s3a://{BUCKET}/fruits/output"
KEY = "fruits/output/04_feature/.lock"
SECONDS = 1.0
"""How long a lease lasts here."""

ENDED = SECONDS + 3.1
"""When it is sure to have ended: two seconds are a margin, and S3 tells times in whole seconds."""

ANOTHER_PROCESS = f"""
import sys, time
from fruit_features.storage.lease import Lease, LeaseLostError
lease = Lease("s3a://{BUCKET}/{KEY}", {SECONDS}, "{ROOT}", lambda: print("stops writing", flush=True))
lease.acquire()
print("holds it", flush=True)
for line in sys.stdin:
    try:
        lease.check()
        print("still holds it", flush=True)
    except LeaseLostError as error:
        print(error, flush=True)
lease.release()
print("ended", flush=True)
"""


@dataclass
class Store:
    """A server of S3, which can be told to behave like one that lacks something.

    Attributes:
        endpoint: Its address.
        refuses_conditions: It answers 501 to a write with a condition.
        ignores_conditions: It writes whatever the condition.
        n_answers_to_lose: So many of the next writes of the lock are done, and answered by an error all the same.

    """

    endpoint: str = ""
    refuses_conditions: bool = False
    ignores_conditions: bool = False
    n_answers_to_lose: int = 0
    _app: Any = field(default_factory=lambda: DomainDispatcherApplication(create_backend_app))

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "PUT":
            conditions = {"HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH"} & environ.keys()
            if self.refuses_conditions and conditions:
                start_response("501 Not Implemented", [("Content-Type", "application/xml")])
                return [b"<Error><Code>NotImplemented</Code><Message>A header is not implemented.</Message></Error>"]
            if self.ignores_conditions:
                for condition in conditions:
                    del environ[condition]
            if self.n_answers_to_lose and environ["PATH_INFO"].endswith("/.lock"):
                self.n_answers_to_lose -= 1
                list(self._app(environ, lambda *_: None))
                start_response("500 Internal Server Error", [("Content-Type", "application/xml")])
                return [b"<Error><Code>InternalError</Code><Message>Please try again.</Message></Error>"]
        answer: Iterable[bytes] = self._app(environ, start_response)
        return answer

    @property
    def client(self) -> Any:
        return boto3.client("s3", endpoint_url=self.endpoint, region_name="us-east-1")

    def object_names(self) -> list[str]:
        return [entry["Key"] for entry in self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A bucket on a server of its own; whatever runs here finds it, and no other."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    store = Store()
    server = make_server("127.0.0.1", 0, store, threaded=True)
    store.endpoint = f"http://127.0.0.1:{server.port}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", store.endpoint)
    for name, value in (("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test"), ("DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.delenv("CONTAINER_ID", raising=False)
    S3FileSystem.clear_instance_cache()
    thread = Thread(target=server.serve_forever)
    thread.start()
    store.client.create_bucket(Bucket=BUCKET)
    try:
        yield store
    finally:
        for name in store.object_names():
            store.client.delete_object(Bucket=BUCKET, Key=name)
        store.client.delete_bucket(Bucket=BUCKET)
        S3FileSystem.clear_instance_cache()
        server.shutdown()
        thread.join()


def make_lease(seconds: float = SECONDS) -> Lease:
    return Lease(f"s3a://{BUCKET}/{KEY}", seconds, ROOT, lambda: None)


@contextmanager
def another_process(application: str = "") -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lease, as a driver of a YARN application if one is named."""
    process = subprocess.Popen(
        [sys.executable, "-c", ANOTHER_PROCESS],
        env=os.environ | {"CONTAINER_ID": application},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    end = Timer(60, process.kill)  # seconds, after which a test that waits for a word of it fails
    end.start()
    try:
        assert process.stdout.readline() == "holds it\n"
        yield process
    finally:
        end.cancel()
        process.kill()
        process.communicate()


def ask(process: subprocess.Popen[str]) -> str:
    """Let a process check its lease; what it says."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    said = process.stdout.readline().strip()
    return process.stdout.readline().strip() if said == "stops writing" else said


def test_a_live_lease_is_refused_at_once_however_long_it_is_held(store: Store) -> None:
    with another_process() as process:
        deadline = time.monotonic() + ENDED
        while time.monotonic() < deadline:
            with pytest.raises(LeaseHeldError) as caught:
                make_lease().acquire()
            assert caught.value.holder is not None
            assert caught.value.holder.process == process.pid
            assert 0 < caught.value.seconds_left < ENDED
            time.sleep(0.3)
        assert ask(process) == "still holds it"
        process.communicate(timeout=10)
    assert store.object_names() == [], "it leaves nothing behind"
    lease = make_lease()
    lease.acquire()
    lease.release()


def test_the_lease_of_a_dead_run_ends_and_its_uploads_are_aborted(store: Store) -> None:
    with another_process() as process:
        process.kill()
        process.wait()
    for key in ("fruits/output/04_feature/feature_store/part-0.parquet", "fruits/images/Apple/1.jpg"):
        store.client.create_multipart_upload(Bucket=BUCKET, Key=key)
    time.sleep(ENDED)
    lease = make_lease()
    lease.acquire()
    pending = store.client.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    assert [upload["Key"] for upload in pending] == ["fruits/images/Apple/1.jpg"], "only those of this folder are aborted"
    lease.release()


def test_what_killed_tasks_have_left_is_aborted_at_the_end_of_the_run(store: Store) -> None:
    lease = make_lease()
    lease.acquire()
    for key in ("fruits/output/04_feature/feature_store/part-0.parquet", "fruits/images/Apple/1.jpg"):
        store.client.create_multipart_upload(Bucket=BUCKET, Key=key)
    lease.release()
    pending = store.client.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    assert [upload["Key"] for upload in pending] == ["fruits/images/Apple/1.jpg"]


@pytest.mark.parametrize("is_taken_over", [True, False])
def test_a_run_that_was_paused_holds_its_lease_only_if_nobody_took_it_over(is_taken_over: bool, store: Store) -> None:
    with another_process() as process:
        process.send_signal(signal.SIGSTOP)
        time.sleep(ENDED if is_taken_over else 2 * SECONDS)
        lease = make_lease(seconds=60)
        if is_taken_over:
            lease.acquire()
        process.send_signal(signal.SIGCONT)
        if not is_taken_over:
            assert ask(process) == "still holds it"
            return
        assert f"and another run (process {os.getpid()} on" in ask(process)
        process.communicate(timeout=10)
        assert store.object_names() == [KEY], "what ends without the lease leaves it alone"
        lease.check()
        lease.release()
        assert store.object_names() == []


def test_a_run_whose_lease_was_deleted_stops_what_it_is_writing(store: Store) -> None:
    with another_process() as process:
        store.client.delete_object(Bucket=BUCKET, Key=KEY)
        assert process.stdout is not None
        assert process.stdout.readline() == "stops writing\n", "it is not asked, and finds out when it renews the lease"
        assert "and is gone: another run has taken this folder over and ended" in ask(process)


def test_a_forked_process_leaves_the_lease_to_the_one_that_took_it(store: Store) -> None:
    lease = make_lease()
    lease.acquire()
    # When such a process ends, it does what its parent has registered for its own end; OpenVINO forks one.
    forked = multiprocessing.get_context("fork").Process(target=lease.release)
    forked.start()
    forked.join(10)
    assert forked.exitcode == 0
    assert store.object_names() == [KEY]
    lease.release()
    assert store.object_names() == []


def test_a_driver_that_yarn_restarts_waits_for_the_one_before_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with another_process(application="container_e17_1410901177871_0001_01_000001") as process:
        for application in ("container_e17_1410901177871_0002_01_000001", ""):
            monkeypatch.setenv("CONTAINER_ID", application)
            with pytest.raises(LeaseHeldError):
                make_lease().acquire()
        process.kill()
        process.wait()
    monkeypatch.setenv("CONTAINER_ID", "container_e17_1410901177871_0001_02_000001")
    lease = make_lease()
    lease.acquire()
    lease.check()
    lease.release()


def test_a_write_whose_answer_was_lost_counts(store: Store) -> None:
    store.n_answers_to_lose = 1
    lease = make_lease()
    lease.acquire()
    store.n_answers_to_lose = 1
    time.sleep(2 * SECONDS)
    assert not store.n_answers_to_lose
    lease.check()
    lease.release()
    assert store.object_names() == []


def test_a_store_that_is_away_longer_than_the_lease_lasts_stops_the_next_save(store: Store) -> None:
    lease = make_lease()
    lease.acquire()
    store.refuses_conditions = True
    time.sleep(SECONDS)
    with pytest.raises(LeaseLostError, match=r"could not be renewed for \d+ seconds .* run again when S3 answers"):
        lease.check()
    store.refuses_conditions = False
    lease.release()


@pytest.mark.parametrize("lack", ["refuses_conditions", "ignores_conditions"])
def test_a_store_that_can_keep_no_lock_is_named_and_the_run_goes_on(
    lack: str, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    setattr(store, lack, True)
    for _ in range(2):
        hooks = output_lock(ROOT)
        with caplog.at_level(logging.WARNING):
            hooks.before_pipeline_run(pipelines["__default__"])
        hooks.before_dataset_saved()
    assert [record.getMessage() for record in caplog.records] == [
        f"No lock is kept for {ROOT}/04_feature and {ROOT}/06_models, as this store ignores If-None-Match or If-Match: see to "
        "it that no other run writes there at the same time"
    ] * 2
    assert store.object_names() == []


def test_two_runs_do_not_share_a_folder_of_models_on_s3(store: Store) -> None:
    first = output_lock(ROOT)
    first.before_pipeline_run(pipelines["__default__"])
    assert sorted(store.object_names()) == [KEY, "fruits/output/06_models/.lock"]
    second = output_lock(f"s3a://{BUCKET}/other", models_root=f"{ROOT}/06_models")
    message = rf"another run \(process {os.getpid()} on .*\) is writing to {ROOT}/06_models: .*--params models_root=FOLDER"
    with pytest.raises(RuntimeError, match=message):
        second.before_pipeline_run(pipelines["__default__"])
    assert len(store.object_names()) == 2, "what the second had locked is free again"
    first.on_pipeline_error()
    assert store.object_names() == []
