"""HEIC is told by content, refused where its decoder is missing or unsafe, and decoded in a child where it is there."""

from __future__ import annotations

import io
import os
import signal
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fruit_features.photos import heic
from fruit_features.photos.errors import ImageError, MissingDecoderError
from fruit_features.photos.heic import is_heic
from fruit_features.photos.imaging import decode, decode_with_facts, thumbnail
from tests.support.photos import encoded, fruit

FOLDER = Path(__file__).resolve().parents[2] / "support" / "heic"
FRUIT = (FOLDER / "fruit.heic").read_bytes()


def first_box(major: bytes, *compatible: bytes) -> bytes:
    brands = major + bytes(4) + b"".join(compatible)
    return (8 + len(brands)).to_bytes(4, "big") + b"ftyp" + brands + b"\0\0\0\x08mdat"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (FRUIT, True),
        (first_box(b"heix", b"mif1"), True),
        (first_box(b"mif1", b"heic", b"miaf"), True),
        (first_box(b"mif1", b"avif", b"miaf"), False),
        (first_box(b"avif", b"mif1"), False),
        (encoded(fruit("Pear", 0), "AVIF"), False),
        (encoded(fruit("Pear", 0), "JPEG2000"), False),
        (encoded(fruit("Pear", 0), "JPEG"), False),
        (b"", False),
        (b"\0\0\0", False),
        (b"\xff\xff\xff\xffftypheic", True),
    ],
)
def test_heic_is_told_by_its_first_box(content: bytes, *, expected: bool) -> None:
    assert is_heic(content) is is_heic(memoryview(content)) is expected


@pytest.mark.parametrize("brand", [b"isom", b"mp42", b"qt  ", b"\xff\xfe\xfd\xfc"])
def test_a_video_is_named_as_what_it_is(brand: bytes) -> None:
    with pytest.raises(ImageError, match=r"^no photo, but another file of the ISO media family \('.*'\), such as a video$"):
        decode(first_box(brand, b"isom"), 32)


def test_a_missing_decoder_is_said_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heic.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDecoderError, match=r'^HEIC needs one more package: .*pip install "pillow-heif>=1\.8\.0"'):
        decode(FRUIT, 32)


@pytest.mark.parametrize(
    ("libheif", "decoder"),
    [
        ("1.23.3", "libde265 HEVC decoder, version 1.1.3"),
        ("1.23.4", "libde265 HEVC decoder, version 1.1.2"),
        ("1.9.9", "libde265 HEVC decoder, version 1.1.3"),
    ],
)
def test_a_decoder_that_is_not_safe_is_refused(libheif: str, decoder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    package: Any = types.ModuleType("pillow_heif")
    package.libheif_info = lambda: {"libheif": libheif, "decoders": {"libde265": decoder}}
    monkeypatch.setitem(sys.modules, "pillow_heif", package)
    monkeypatch.setattr(heic.importlib.util, "find_spec", lambda name: object())
    with pytest.raises(MissingDecoderError, match=f"not safe: it has libheif {libheif}, {decoder}$"):
        decode(FRUIT, 32)


# --- with the package -------------------------------------------------------------------------------------------------


@pytest.fixture
def _decoder() -> None:
    pytest.importorskip("pillow_heif")


@pytest.mark.usefixtures("_decoder")
def test_a_photo_of_a_phone_is_decoded() -> None:
    pixels, facts = decode_with_facts(FRUIT, 64)
    expected = decode((FOLDER / "fruit.png").read_bytes(), 64)
    assert abs(pixels.astype(int) - expected).mean() < 3
    assert (facts.width, facts.height, facts.format, facts.orientation) == (96, 64, "HEIF", None)
    with Image.open(io.BytesIO(thumbnail(FRUIT, 48))) as small:
        assert small.size == (48, 32)


@pytest.mark.usefixtures("_decoder")
def test_a_turn_is_the_file_s_own() -> None:
    turned = (FOLDER / "turned.heic").read_bytes()
    with Image.open(FOLDER / "fruit.png") as upright:
        expected = np.asarray(upright.convert("RGB").rotate(-90, expand=True).resize((64, 64)))
    for apply in (False, True):
        assert abs(decode(turned, 64, apply_exif_orientation=apply).astype(int) - expected).mean() < 3


@pytest.mark.usefixtures("_decoder")
@pytest.mark.parametrize("length", [40, 300, 900])
def test_half_a_photo_is_a_reject(length: int) -> None:
    with pytest.raises(ImageError, match=r"^cannot decode: "):
        decode(FRUIT[:length], 32)


@pytest.mark.usefixtures("_decoder")
def test_a_photo_that_is_too_large_is_refused() -> None:
    with pytest.raises(ImageError, match=r"^too large: 96 x 64 pixels, of which max_decoded_mb allows 62$"):
        heic.decode_heic(FRUIT, 62)


@pytest.mark.usefixtures("_decoder")
def test_a_crash_of_the_decoder_takes_the_child_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    import faulthandler

    import pillow_heif

    def crash(*_: object, **__: object) -> None:
        faulthandler.disable()
        os.kill(os.getpid(), signal.SIGSEGV)

    monkeypatch.setattr(pillow_heif, "open_heif", crash)
    with pytest.raises(ImageError, match=r"^crashed the decoder \(SIGSEGV\)$"):
        decode(FRUIT, 32)
