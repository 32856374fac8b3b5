"""Photos and results in buckets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.runs import Outputs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.cluster.object_store import ObjectStore


@dataclass(frozen=True)
class Prefix:
    """What a root of photos or results is, in a bucket.

    Attributes:
        store: The server.
        bucket: Its bucket.
        name: The prefix, without slashes around it.

    """

    store: ObjectStore
    bucket: str
    name: str

    @property
    def uri(self) -> str:
        return f"s3a://{self.bucket}/{self.name}"

    def names(self, below: str = "") -> list[str]:
        """Names below the prefix."""
        start = f"{self.name}/"
        return [key.removeprefix(start) for key in self.store.keys(self.bucket, f"{start}{below}")]

    def pending_uploads(self, below: str = "") -> list[str]:
        """Names of what is being written, and is not there yet."""
        start = f"{self.name}/"
        pending = self.store.pending_uploads(self.bucket)
        return [key.removeprefix(start) for key in pending if key.startswith(f"{start}{below}")]

    def upload(self, folder: Path, below: str = "") -> None:
        self.store.upload_tree(folder, self.bucket, f"{self.name}/{below}".rstrip("/"))

    def put(self, name: str, content: bytes) -> None:
        self.store.client.put_object(Bucket=self.bucket, Key=f"{self.name}/{name}", Body=content)

    def delete(self, name: str) -> None:
        self.store.client.delete_object(Bucket=self.bucket, Key=f"{self.name}/{name}")

    def move(self, name: str, new_name: str) -> None:
        """Copy an object to another name, and delete it: S3 has no other way."""
        source = {"Bucket": self.bucket, "Key": f"{self.name}/{name}"}
        self.store.client.copy_object(Bucket=self.bucket, Key=f"{self.name}/{new_name}", CopySource=source)
        self.delete(name)

    def download(self, folder: Path) -> Outputs:
        """The results, to be read as those of a local run."""
        self.store.download_tree(self.bucket, self.name, folder)
        return Outputs(folder)


def csv_below(outputs: Outputs, images_root: str) -> list[bytes]:
    """Lines of the exported CSV, sorted, their paths taken from the root of the photos on."""
    header, *rows = outputs.csv_bytes().splitlines()
    prefix = images_root.encode()
    assert all(row.startswith(prefix) for row in rows), rows[:1]
    return [header, *sorted(row.removeprefix(prefix) for row in rows)]
