"""Amazon's services on this machine, anew for every test."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from moto.emrserverless import models as emrserverless
from moto.moto_api._internal.models import moto_api_backend
from moto.server import ThreadedMotoServer

from tests.support.amazon import BUCKET, REGION, Amazon

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def moto_server() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def amazon(moto_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Amazon]:
    """Services in which there is a bucket and nothing else; whatever runs here finds them, and no others."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(emrserverless, "JOB_STATUS", "SUBMITTED")  # moto's own is SUCCESS
    services = Amazon(moto_server)
    for name, value in services.environment.items():
        monkeypatch.setenv(name, value)
    services.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    yield services
    moto_api_backend.reset()
