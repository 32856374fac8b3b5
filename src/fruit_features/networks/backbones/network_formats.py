"""Networks in files: ONNX, TFLite and OpenVINO's IR. Nothing is built; an engine adopts what the file holds."""

from __future__ import annotations

import hashlib
import mmap
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from fruit_features.networks.onnx_files import OnnxDamageError, external_files
from fruit_features.networks.weights import Weights, WeightsError, file_beside, folder_of, is_on_s3, local_file, user_path

if TYPE_CHECKING:
    from collections.abc import Mapping


class NetworkFormat(ABC):
    """A format of files that hold a whole network.

    Attributes:
        name: The key in the registry, and the value of `featurization.backbone`.
        ending: What the name of such a file ends in.
        title: The format in words, for errors: "<file> is not <title>".

    """

    name: str
    ending: str
    title: str

    def resolve_weights(self, weights: str) -> Weights:
        """Identify a file, and those that belong to it, by their contents; without any library that knows networks.

        Args:
            weights: The path of a local file (`~` is expanded), or an object on S3, beside which lie those that belong to it.

        Raises:
            WeightsError: There is no such file, it cannot be read, or it is of another format, or a file is missing that
                belongs to it.

        """
        give = f"featurization.weights=FILE{self.ending}"
        if weights == "imagenet":
            raise WeightsError(
                f"weights 'imagenet': backbone {self.name!r} is a network of your own, for which none are published. Give its "
                f"file: {give}"
            )
        path = Path(weights) if is_on_s3(weights) else user_path(weights)
        if path.suffix.lower() != self.ending:
            raise WeightsError(
                f"weights {weights!r}: backbone {self.name!r} takes {self.title}, whose name ends in {self.ending}. Give "
                f"{give}, or the backbone that takes this file: {self._who_takes(path)}"
            )
        path = local_file(weights)
        if not path.is_file():
            what = "is not a file" if path.exists() else "no such file"
            raise WeightsError(f"weights {weights!r}: {what}. Give {self.title}: {give}")
        try:
            with path.open("rb") as file:
                if not path.stat().st_size:
                    raise self._damaged(weights, path, "it is empty")
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                    companions = tuple(self._companions(weights, path, content))
                    digest = hashlib.sha256(content).hexdigest()
            alone = Weights(source=weights, path=path, digest=digest)
            beside = {name: _digest_beside(alone, name) for name in companions}
        except OSError as error:
            raise WeightsError(
                f"weights {weights!r} cannot be read ({error}): check the permissions of {path} and of what lies beside it"
            ) from error
        return Weights(source=weights, path=path, digest=_digest_of_all(digest, beside), companions=companions)

    def read(self, weights: Weights) -> tuple[bytes, dict[str, bytes]]:
        """Read the file, and those that belong to it, by their paths beside it.

        Raises:
            WeightsError: One of them vanished or changed since it was identified.

        """
        assert weights.path is not None
        try:
            content = weights.path.read_bytes()
            companions = {name: file_beside(weights, name).read_bytes() for name in weights.companions}
        except OSError as error:
            raise WeightsError(
                f"weights {weights.source!r} can no longer be read ({error}): restore {weights.place}"
            ) from error
        beside = {name: hashlib.sha256(companion).hexdigest() for name, companion in companions.items()}
        if _digest_of_all(hashlib.sha256(content).hexdigest(), beside) != weights.digest:
            raise WeightsError(f"weights {weights.source!r}: {weights.place} changed during the run. Run again.")
        return content, companions

    @abstractmethod
    def _companions(self, source: str, path: Path, content: mmap.mmap) -> list[str]:
        """Check that the content is of this format, and list the files that belong to it, by their paths beside it.

        Raises:
            WeightsError: It is not.

        """

    def _damaged(self, source: str, path: Path, why: str) -> WeightsError:
        return WeightsError(
            f"weights {source!r}: {path} is not {self.title}, or it is damaged: {why}. Export it again, or fetch it again"
        )

    @staticmethod
    def _who_takes(path: Path) -> str:
        takers = {kind.ending: kind.name for kind in (Onnx, TfLite, OpenVinoIr)}
        takers |= {".h5": "mobilenet_v2", ".hdf5": "mobilenet_v2", ".pth": "efficientnet_lite0"}
        taker = takers.get(path.suffix.lower())
        return f"featurization.backbone={taker}" if taker else f"there is none for {path.suffix or 'a name without ending'}"


class Onnx(NetworkFormat):
    """ONNX, to which PyTorch and others export. Large networks have weights in files beside it (external data)."""

    name = "onnx"
    ending = ".onnx"
    title = "an ONNX network"

    def _companions(self, source: str, path: Path, content: mmap.mmap) -> list[str]:
        try:
            return external_files(content)
        except OnnxDamageError as error:
            raise self._damaged(source, path, str(error)) from error


class TfLite(NetworkFormat):
    """TFLite, now LiteRT: a flatbuffer, which OpenVINO verifies when it reads it."""

    name = "tflite"
    ending = ".tflite"
    title = "a TFLite network"

    def _companions(self, source: str, path: Path, content: mmap.mmap) -> list[str]:
        if content[4:8] != b"TFL3":
            raise self._damaged(source, path, "it does not begin like one")
        return []


class OpenVinoIr(NetworkFormat):
    """OpenVINO's IR: an XML file, and its weights in a file of the same name that ends in `.bin`."""

    name = "ir"
    ending = ".xml"
    title = "OpenVINO's IR of a network"

    def _companions(self, source: str, path: Path, content: mmap.mmap) -> list[str]:
        if not content[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<?xml", b"<net")):
            raise self._damaged(source, path, "it does not begin like one")
        return [path.with_suffix(".bin").name]


def _digest_beside(weights: Weights, name: str) -> str:
    """Return the SHA-256 of a file that belongs to a network.

    Raises:
        WeightsError: It is missing.

    """
    try:
        with file_beside(weights, name).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise WeightsError(
            f"weights {weights.source!r}: the file {name} is missing, which holds weights of this network. It has to lie "
            f"beside it: put it into {folder_of(weights)}"
        ) from error


def _digest_of_all(digest: str, beside: Mapping[str, str]) -> str:
    """Digest a file and those that belong to it: a network of one file keeps the SHA-256 of that file.

    Args:
        digest: SHA-256 of the file.
        beside: Name to SHA-256, of each that belongs to it, in their order.

    """
    for name, digest_beside in beside.items():
        digest = hashlib.sha256("\n".join((digest, name, digest_beside)).encode()).hexdigest()
    return digest
