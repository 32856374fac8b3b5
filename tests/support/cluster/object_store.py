"""A real S3 server on a folder, and what tests do with its buckets."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from tests.support.cluster import tools
from tests.support.cluster.daemons import LOOPBACK, daemon, free_ports, listens

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REGION = "us-east-1"


@dataclass(frozen=True)
class User:
    """Whose keys a client signs with."""

    access: str
    secret: str


ROOT = User("root-of-the-store", "the secret of root")


@dataclass(frozen=True)
class ObjectStore:
    """A running server.

    Attributes:
        port: Where it listens.
        user: As whom it is spoken to.
        folder: Where it keeps its objects.

    """

    port: int
    folder: Path
    user: User = field(default=ROOT)

    @property
    def endpoint(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What tells every client of AWS about it: SDKs in Python and in Java, and this project's `conf/emr`."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.user.access,
            "AWS_SECRET_ACCESS_KEY": self.user.secret,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @cached_property
    def client(self) -> Any:
        config = Config(s3={"addressing_style": "path"})
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=self.user.access,
            aws_secret_access_key=self.user.secret,
            config=config,
        )

    def through(self, port: int) -> ObjectStore:
        """The same store behind a proxy."""
        return replace(self, port=port)

    def as_user(self, user: User) -> ObjectStore:
        return replace(self, user=user)

    def add_user(self, name: str) -> User:
        """Make a user, who may do nothing yet."""
        user = User(name, f"the secret of {name}")
        admin = [
            "admin",
            "--access",
            ROOT.access,
            "--secret",
            ROOT.secret,
            "--endpoint-url",
            self.endpoint,
            "--region",
            REGION,
        ]
        what = ["create-user", "--access", user.access, "--secret", user.secret, "--role", "user"]
        subprocess.run([str(tools.s3_server()), *admin, *what], check=True, capture_output=True)
        return user

    def upload_tree(self, folder: Path, bucket: str, prefix: str) -> None:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.client.upload_file(str(path), bucket, f"{prefix}/{path.relative_to(folder).as_posix()}")

    def download_tree(self, bucket: str, prefix: str, folder: Path) -> None:
        for key in self.keys(bucket, prefix):
            if key.endswith("/"):
                continue
            target = folder / key.removeprefix(f"{prefix}/")
            target.parent.mkdir(parents=True, exist_ok=True)
            self.client.download_file(bucket, key, str(target))

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def pending_uploads(self, bucket: str) -> list[str]:
        """Keys of the uploads that nobody has completed or aborted."""
        return [upload["Key"] for upload in self.client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])]


@contextmanager
def running_store(folder: Path) -> Iterator[ObjectStore]:
    """Start the server; it is gone afterwards."""
    buckets, users = folder / "buckets", folder / "users"
    buckets.mkdir(parents=True)
    users.mkdir()
    (port,) = free_ports(1)
    given = ["--port", f"{LOOPBACK}:{port}", "--access", ROOT.access, "--secret", ROOT.secret, "--region", REGION]
    options = ["--iam-dir", str(users), "--keep-alive", "--quiet"]
    command = [str(tools.s3_server()), *given, *options, "posix", str(buckets)]
    with daemon(command, folder / "s3_server.log", lambda: listens(port)):
        yield ObjectStore(port, buckets)
