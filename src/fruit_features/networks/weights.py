"""Weights of networks: how a file of them is identified before it is loaded."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from fruit_features.storage import local_copies, object_store


class WeightsError(ValueError):
    """Weights that cannot be used. The message names the file or value, and says what to do."""


@dataclass(frozen=True)
class Weights:
    """Weights of one backbone, identified but not loaded.

    Attributes:
        source: what the user wrote, e.g. ``imagenet``, ``~/weights/fruits.h5`` or ``s3://bucket/fruits.h5``.
        path: the local file (absolute), which is a copy of an object on S3, or None where Keras finds it in its cache or
            downloads it.
        digest: identifies the numbers, so that features from different weights never meet: the SHA-256 of the file
            in hexadecimal, or the name of a published release that is immutable under that name.
        companions: files that belong to that file, by their paths beside it; the digest covers them, too.

    """

    source: str
    path: Path | None
    digest: str
    companions: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """Where the file lies that the user named, a path or a URI; for messages."""
        return self.source if is_on_s3(self.source) else str(self.path)


@dataclass(frozen=True)
class FileFormat:
    """How to recognise a file of weights by its first bytes.

    Attributes:
        signature: the bytes that such a file begins with.
        expected: the format in words, for errors: "<file> is not <expected>".

    """

    signature: bytes
    expected: str


_KNOWN_SIGNATURES = {
    b"\x89HDF": "an HDF5 file, as Keras saves the weights of featurization.backbone=mobilenet_v2",
    b"PK\x03\x04": "a zip archive, as torch.save writes by default, and Keras for whole models (.keras)",
    b"\x80\x02\x8a\x0a": "a PyTorch file, as featurization.backbone=efficientnet_lite0 takes",
}
"""What a file is that is not what was expected, by its first four bytes."""


_ALLOWED = "'imagenet', the path of a local file, and s3://BUCKET/KEY"


def identify_file(source: str, path: Path, file_format: FileFormat) -> Weights:
    """Check that a local file is readable and of the format, and take its digest.

    Args:
        source: what the user wrote.
        path: the file it stands for.
        file_format: what the file must begin with.

    Raises:
        WeightsError: naming the file, and what was expected.

    """
    if not path.exists():
        raise WeightsError(
            f"weights {source!r}: no such file. Allowed are {_ALLOWED}. A file has to be {file_format.expected}."
        )
    if not path.is_file():
        raise WeightsError(f"weights {source!r} is not a file, but a folder or device: give {file_format.expected}.")
    try:
        with path.open("rb") as file:
            signature = file.read(len(file_format.signature))
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"weights {source!r} cannot be read ({error}): check the permissions of {path}.") from error
    if signature != file_format.signature:
        found = _KNOWN_SIGNATURES.get(signature[:4])
        what_it_is = f" It is {found}." if found else ""
        raise WeightsError(f"weights {source!r}: {path} is not {file_format.expected}.{what_it_is}")
    return Weights(source=source, path=path, digest=digest)


def is_on_s3(weights: str) -> bool:
    """Whether a user named an object on S3."""
    return weights.startswith(object_store.PROTOCOLS)


def local_file(weights: str) -> Path:
    """Return the absolute path of the file that a user named; an object on S3 is fetched first.

    Raises:
        WeightsError: nothing was named, or there is no such object, or it cannot be read.

    """
    if not is_on_s3(weights):
        return user_path(weights)
    copy = _fetched(weights, weights)
    if copy is None:
        folder = weights.rpartition("/")[0]
        raise WeightsError(
            f"weights {weights!r}: there is no such object, or no such bucket. See what is there (`aws s3 ls "
            f"{_for_aws(folder)}/`), or upload the file (`aws s3 cp FILE {_for_aws(weights)}`)"
        )
    return copy


def file_beside(weights: Weights, name: str) -> Path:
    """Return the path of a file that belongs to another one and lies beside it; an object on S3 is fetched first.

    Raises:
        FileNotFoundError: it is missing.
        WeightsError: S3 refuses it, or does not answer.

    """
    assert weights.path is not None
    if not is_on_s3(weights.source):
        path: Path | None = weights.path.parent / name
    else:
        path = _fetched(f"{folder_of(weights)}/{name}", weights.source)
    if path is None or not path.is_file():
        raise FileNotFoundError(f"{folder_of(weights)}/{name}")
    return path


def folder_of(weights: Weights) -> str:
    """Return the folder or the prefix in which the file lies."""
    return weights.place.rpartition("/")[0]


def _fetched(uri: str, weights: str) -> Path | None:
    try:
        return local_copies.fetch(uri, f"featurization.weights={weights}")
    except object_store.ObjectStoreError as error:
        raise WeightsError(str(error)) from error


def _for_aws(uri: str) -> str:
    return f"s3://{uri.partition('://')[2]}"


def user_path(weights: str) -> Path:
    """Return the absolute path of the local file that a user named.

    Raises:
        WeightsError: nothing was named, or a place that is neither on a disk nor on S3.

    """
    if not weights.strip():
        raise WeightsError(f"weights {weights!r} is empty: allowed are {_ALLOWED}.")
    if "://" in weights:
        raise WeightsError(
            f"weights {weights!r} are neither on a local disk nor on S3. Download them, and give the path of the file, or "
            "s3://BUCKET/KEY"
        )
    try:
        return Path(weights).expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:  # unknown ~user, a loop of links, a NUL byte
        raise WeightsError(f"weights {weights!r} is not a usable path ({error}).") from error


def verify_unchanged(weights: Weights, path: Path) -> None:
    """Refuse a file that is no longer the one whose digest stands in the fingerprint of the features.

    Raises:
        WeightsError: the file vanished or changed.

    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"weights {weights.source!r} can no longer be read ({error}): restore {path}.") from error
    if digest != weights.digest:
        raise WeightsError(f"weights {weights.source!r}: {path} changed during the run. Run again.")
