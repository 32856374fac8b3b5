"""Weights of networks: how a file of them is identified before it is loaded."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path


class WeightsError(ValueError):
    """Weights that cannot be used. The message names the file or value, and says what to do."""


@dataclass(frozen=True)
class Weights:
    """Weights of one backbone, identified but not loaded.

    Attributes:
        source: what the user wrote, e.g. ``imagenet`` or ``~/weights/fruits.h5``.
        path: the local file (absolute), or None where Keras finds it in its cache or downloads it.
        digest: identifies the numbers, so that features from different weights never meet: the SHA-256 of the file
            in hexadecimal, or the name of a published release that is immutable under that name.
        companions: files that belong to that file, by their paths beside it; the digest covers them, too.

    """

    source: str
    path: Path | None
    digest: str
    companions: tuple[str, ...] = ()


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
            f"weights {source!r}: no such file. Allowed are 'imagenet' and the path of a local file, which has to "
            f"be {file_format.expected}. Download a remote file first."
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


def user_path(weights: str) -> Path:
    """Return the absolute path of the file that a user named.

    Raises:
        WeightsError: nothing was named.

    """
    if not weights.strip():
        raise WeightsError(f"weights {weights!r} is empty: allowed are 'imagenet' and the path of a local file.")
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
