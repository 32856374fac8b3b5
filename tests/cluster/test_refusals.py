"""Places on S3 that a run cannot use: said within seconds, with the URI and the fix, before anything starts."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from s3fs import S3FileSystem

from fruit_features.cli import run
from tests.support.cluster.object_store import ObjectStore, User
from tests.support.runs import PROJECT

if TYPE_CHECKING:
    from tests.support.cluster.places import Prefix

pytestmark = pytest.mark.cluster

WITHIN = 30.0  # seconds

Refusal = Callable[[ObjectStore, str, str], str]


@pytest.fixture(scope="module")
def reader(store: ObjectStore, sample: Prefix) -> ObjectStore:
    """The store as a user sees it who may read the sample but for one label, and write nowhere."""
    user = store.add_user("reader")
    store.client.create_bucket(Bucket="closed")
    bucket = f"arn:aws:s3:::{sample.bucket}"
    may_read = {"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetObject"], "Resource": [bucket, f"{bucket}/*"]}
    but_not_pears = {"Effect": "Deny", "Action": "s3:GetObject", "Resource": f"{bucket}/{sample.name}/Pear/*"}
    policy = [{"Principal": [user.access], **statement} for statement in (may_read, but_not_pears)]
    document = json.dumps({"Version": "2012-10-17", "Statement": policy})
    store.client.put_bucket_policy(Bucket=sample.bucket, Policy=document)
    return store.as_user(user)


@pytest.fixture
def refusal(monkeypatch: pytest.MonkeyPatch) -> Refusal:
    """What a run says that is refused, in this process, which has imported all that a run does."""

    def run_refused(store: ObjectStore, images_root: str, output_root: str) -> str:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        for name, value in store.environment.items():
            monkeypatch.setenv(name, value)
        S3FileSystem.clear_instance_cache()
        monkeypatch.chdir(PROJECT)
        started = time.monotonic()
        result = CliRunner().invoke(run, ["--env", "emr", "--params", f"images_root={images_root},output_root={output_root}"])
        assert time.monotonic() - started < WITHIN
        assert result.exit_code == 1, result.output
        error = result.output[result.output.index("Error:") :]
        assert len(error.splitlines()) == 2
        assert error.splitlines()[1] == "`run --verbose` with the same options shows where it came from."
        return error

    return run_refused


def test_wrong_credentials_are_told_from_missing_rights(
    store: ObjectStore, sample: Prefix, nowhere_yet: Prefix, refusal: Refusal
) -> None:
    for user, code in (
        (User("nobody-knows-me", "a secret"), "InvalidAccessKeyId"),
        (User(store.user.access, "not the secret of root"), "SignatureDoesNotMatch"),
    ):
        said = refusal(store.as_user(user), sample.uri, nowhere_yet.uri)
        assert said.startswith(
            f"Error: images_root={sample.uri}: the credentials are refused ({code}). They are taken from AWS_ACCESS_KEY_ID"
        )


def test_a_missing_bucket_is_named(store: ObjectStore, sample: Prefix, nowhere_yet: Prefix, refusal: Refusal) -> None:
    said = refusal(store, "s3a://no-such-bucket/photos", nowhere_yet.uri)
    assert said.startswith(
        "Error: images_root=s3a://no-such-bucket/photos: there is no such bucket. Correct the name (FRUIT_FEATURES_S3_ROOT"
    )
    said = refusal(store, sample.uri, "s3a://no-such-bucket/results")
    assert said.startswith(
        "Error: output_root=s3a://no-such-bucket/results: there is no such bucket. Correct the name (FRUIT_FEATURES_S3_ROOT"
    )


def test_a_prefix_without_photos_is_named(store: ObjectStore, sample: Prefix, nowhere_yet: Prefix, refusal: Refusal) -> None:
    said = refusal(store, f"s3a://{sample.bucket}/other", nowhere_yet.uri)
    assert said.startswith(
        f"Error: images_root=s3a://{sample.bucket}/other: there is nothing under this prefix. Upload photos"
    )


def test_a_denied_prefix_is_named(reader: ObjectStore, sample: Prefix, nowhere_yet: Prefix, refusal: Refusal) -> None:
    said = refusal(reader, f"{sample.uri}/Pear", nowhere_yet.uri)
    assert said.startswith(f"Error: images_root={sample.uri}/Pear: these credentials may not read there (AccessDenied). Grant")
    said = refusal(reader, "s3a://closed/photos", nowhere_yet.uri)
    assert said.startswith(
        "Error: images_root=s3a://closed/photos: these credentials may not read there (AccessDenied). Grant"
    )


def test_a_bucket_that_cannot_be_written_is_named(reader: ObjectStore, sample: Prefix, refusal: Refusal) -> None:
    said = refusal(reader, f"{sample.uri}/Lime", "s3a://closed/results")
    assert said.startswith(
        "Error: output_root=s3a://closed/results: these credentials may not write there (AccessDenied). Grant"
    )


def test_no_credentials_and_no_server_are_told_apart(
    store: ObjectStore, sample: Prefix, nowhere_yet: Prefix, refusal: Refusal
) -> None:
    said = refusal(store.as_user(User("", "")), sample.uri, nowhere_yet.uri)
    assert said.startswith(f"Error: images_root={sample.uri}: there are no AWS credentials. Give AWS_ACCESS_KEY_ID")
    said = refusal(store.through(1), sample.uri, nowhere_yet.uri)
    assert said.startswith(f"Error: images_root={sample.uri}: Could not connect to the endpoint URL")
    assert "Check AWS_ENDPOINT_URL_S3" in said
