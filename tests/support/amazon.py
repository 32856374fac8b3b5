"""Amazon's services as moto plays them, in a server on this machine: S3, IAM, EMR and EMR Serverless.

It keeps what it is sent and runs no job. So the tests play the job: they set its state where moto keeps it, and leave the
report that a run leaves.
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from moto.core import DEFAULT_ACCOUNT_ID
from moto.emr.models import emr_backends
from moto.emrserverless import models as emrserverless

if TYPE_CHECKING:
    from collections.abc import Iterator

REGION = "eu-west-1"
BUCKET = "photos"
ROLE = f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:role/fruit-features-job"

REPORT = {
    "counts": {"listed": 12_345, "featurized": 345, "reused": 12_000, "rejected": 45, "exported": 12_300},
    "rejected_by_reason": {"empty file": 45},
    "components": 54,
    "images_per_second": 12.5,
    "seconds_per_node": {"list_photos": 1.4, "fit_pca": 2.8},
}


@dataclass(frozen=True)
class Amazon:
    """The server, with a bucket.

    Attributes:
        endpoint: Its address.

    """

    endpoint: str

    @property
    def environment(self) -> dict[str, str]:
        """What every AWS tool takes its settings from."""
        return {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint,
        }

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def make_application(self) -> str:
        answer = self.client("emr-serverless").create_application(releaseLabel="emr-7.0.0", type="SPARK", name="fruits")
        return str(answer["applicationId"])

    def make_cluster(self, **settings: Any) -> str:
        instances = {
            "MasterInstanceType": "m7g.xlarge",
            "SlaveInstanceType": "m7g.xlarge",
            "InstanceCount": 2,
            "KeepJobFlowAliveWhenNoSteps": True,
        }
        answer = self.client("emr").run_job_flow(Name="fruits", ReleaseLabel="emr-7.0.0", Instances=instances, **settings)
        return str(answer["JobFlowId"])

    def application(self, application_id: str) -> Any:
        """Moto's own record of an application."""
        return emrserverless.emrserverless_backends[DEFAULT_ACCOUNT_ID][REGION].applications[application_id]

    def jobs(self, place: str) -> list[Any]:
        """Moto's own records of the jobs of an application, or of the steps of a cluster."""
        if place.startswith("j-"):
            backends = emr_backends[DEFAULT_ACCOUNT_ID].values()
            return next(list(backend.clusters[place].steps) for backend in backends if place in backend.clusters)
        return emrserverless.emrserverless_backends[DEFAULT_ACCOUNT_ID][REGION].job_runs.setdefault(place, [])

    def shipped(self) -> list[str]:
        """Keys of what was uploaded from `dist`."""
        found = self.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="fruits/dist/")
        return [entry["Key"] for entry in found.get("Contents", [])]

    def put_report(self, root: str = "fruits/output", **changes: Any) -> None:
        body = json.dumps(REPORT | changes).encode()
        self.client("s3").put_object(Bucket=BUCKET, Key=f"{root}/08_reporting/run_report.json", Body=body)

    @contextmanager
    def play(
        self, place: str, *states: str, reason: str | None = None, report: bool = True, report_root: str = "fruits/output"
    ) -> Iterator[None]:
        """Take the next job of an application or cluster through some states, as the service would."""
        n_before = len(self.jobs(place))
        ended = threading.Event()

        def run() -> None:
            while len(self.jobs(place)) == n_before:
                if ended.wait(0.02):
                    return
            job = self.jobs(place)[-1]
            for state in states[:-1]:
                job.state = state
                ended.wait(0.6)
            if report:
                self.put_report(report_root)
            job.state_details = job.last_state_change_reason = reason
            job.state = states[-1]

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def wait_for(condition: Any, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
