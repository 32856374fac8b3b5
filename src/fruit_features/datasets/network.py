"""Exported networks on any file system that fsspec knows: a folder each, named by its fingerprint."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from functools import partial
from typing import Any

import fsspec
from kedro.io import AbstractDataset, DatasetError

from fruit_features.networks.network import Network, StoredNetwork

_RECORD = "network.json"
"""Written last: a folder without it is what a dying run left, and counts as absent."""


_DIGEST = "sha256_of_the_rest"
"""Entry of the record that is the digest of its other entries: one changed digit of a size would change all features."""


class _NetworkFolder(AbstractDataset):  # type: ignore[type-arg]
    """What the two datasets share: where the folders are and how one is read.

    Args:
        filepath: Folder that holds a folder per network; local, or a URI such as `s3a://bucket/networks`.
        credentials: Passed to fsspec.
        metadata: Ignored here; Kedro-Viz reads it.

    """

    def __init__(
        self, *, filepath: str, credentials: dict[str, Any] | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        self._fs, self._root = fsspec.core.url_to_fs(filepath, **(credentials or {}))
        self.metadata = metadata

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._root, "protocol": self._fs.protocol}

    def _read_record(self, fingerprint: str) -> dict[str, Any]:
        """Read a record.

        Raises:
            DatasetError: It is damaged. A record that an earlier version wrote has no digest of itself, and has to have the
                right names alone.

        """
        path = f"{self._root}/{fingerprint}/{_RECORD}"
        try:
            record: dict[str, Any] = json.loads(self._fs.cat_file(path))
            digest = record.pop(_DIGEST, None)
            if digest not in {None, _digest(record)}:
                raise ValueError(f"its {_DIGEST} is another")  # noqa: TRY301 - handled like text that is no JSON
            Network(**{**record, "files": {}})
        except (ValueError, TypeError, AttributeError) as error:
            raise DatasetError(
                f"{path} is damaged ({error}): delete {self._root}/{fingerprint}, and the next run builds it anew"
            ) from error
        return record

    def _read(self, fingerprint: str) -> Network:
        folder = f"{self._root}/{fingerprint}"
        record = self._read_record(fingerprint)
        files = {name: self._fs.cat_file(f"{folder}/{name}") for name in record["files"]}
        for name, digest in record["files"].items():
            if hashlib.sha256(files[name]).hexdigest() != digest:
                raise DatasetError(f"{folder}/{name} is damaged: delete {folder}, and the next run builds it anew")
        return Network(**{**record, "files": files})


class NetworksDataset(_NetworkFolder):
    """Loads the networks that earlier runs kept, by configuration; none where nothing has been saved yet."""

    def load(self) -> dict[str, StoredNetwork]:
        """Find the complete networks, without reading their files."""
        self._fs.invalidate_cache(self._root)
        folders = [path.split("/")[-2] for path in self._fs.glob(f"{self._root}/*/{_RECORD}")]
        records = {folder: self._read_record(folder) for folder in folders}
        return {
            record["configuration"]: StoredNetwork(
                record["fingerprint"], record.get("parameters", {}), partial(self._read, name)
            )
            for name, record in records.items()
        }

    def save(self, data: Any) -> None:  # noqa: ARG002
        """Refuse: `NetworkDataset` writes."""
        raise DatasetError("networks is read-only: save a single network as `network`")


class NetworkDataset(_NetworkFolder):
    """Saves the network of this run under its fingerprint, once, and hands it to the nodes of this run.

    It knows of no earlier run's network: those are found by their configuration, in `networks`.
    """

    _saved: Network | None = None

    def save(self, data: Network) -> None:
        """Write the files, then the record that makes them count."""
        folder = f"{self._root}/{data.fingerprint}"
        if not self._fs.exists(f"{folder}/{_RECORD}"):
            self._fs.makedirs(folder, exist_ok=True)
            for name, content in data.files.items():
                self._fs.pipe_file(f"{folder}/{name}", content)
            digests = {name: hashlib.sha256(content).hexdigest() for name, content in data.files.items()}
            record = {**_as_record(data), "files": digests}
            self._write(f"{folder}/{_RECORD}", json.dumps({**record, _DIGEST: _digest(record)}, indent=2))
        self._saved = data

    def load(self) -> Network:
        """Return the network that this run saved.

        Raises:
            DatasetError: This run has saved none.

        """
        if self._saved is None:
            raise DatasetError(
                "this run has no network yet: the featurization chooses or builds it (kedro run --pipelines featurization). "
                "Networks of earlier runs are in `networks`, by their configuration"
            )
        return self._saved

    def _exists(self) -> bool:
        return self._saved is not None

    def _write(self, path: str, text: str) -> None:
        """Write a small file whole or not at all: under another name first, then renamed (one put, on object stores)."""
        if "file" in self._fs.protocol:
            self._fs.pipe_file(f"{path}.new", text.encode())
            self._fs.mv(f"{path}.new", path)
        else:
            self._fs.pipe_file(path, text.encode())


def _as_record(network: Network) -> dict[str, Any]:
    return {field.name: getattr(network, field.name) for field in fields(network) if field.name != "files"}


def _digest(record: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
