"""Reports of S3 Inventory, as AWS writes them."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def csv_report(rows: Iterable[Sequence[object]]) -> bytes:
    """A gzipped CSV file without a header, with every cell in quotes."""
    return gzip.compress("".join(",".join(f'"{cell}"' for cell in row) + "\n" for row in rows).encode())


def manifest(key: str, schema: str, *, source: str, destination: str, form: str = "CSV", **more: Any) -> bytes:
    """The manifest.json of a report of one file."""
    described = {
        "sourceBucket": source,
        "destinationBucket": f"arn:aws:s3:::{destination}",
        "version": "2016-11-30",
        "creationTimestamp": "1793494800000",
        "fileFormat": form,
        "fileSchema": schema,
        "files": [{"key": key, "size": 1, "MD5checksum": "0"}],
    }
    return json.dumps(described | more).encode()
