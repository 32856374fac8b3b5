"""Decoding: every mode and format gives the tensor that a viewer would show, and everything else a reason."""

from __future__ import annotations

import io
import os
import resource
import time
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import EpsImagePlugin, Image

from fruit_features.photos import imaging
from fruit_features.photos.errors import ImageError
from fruit_features.photos.imaging import MAX_PIXELS, decode, thumbnail
from tests.support.photos import encoded, fruit, photograph, png_16_bit, png_that_claims, quadrants, quarter_centres

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

RED, GREEN, BLUE, WHITE = (250, 10, 10), (20, 200, 30), (0, 40, 180), (255, 255, 255)
FOUR_COLOURS = quadrants([RED, GREEN, BLUE, WHITE])
FOUR_GREYS = quadrants([0, 77, 180, 255], "L")
SIZE = 224


def greys(*levels: int) -> list[tuple[int, int, int]]:
    return [(level, level, level) for level in levels]


def sixteen_bit(samples: list[Any]) -> NDArray[np.uint16]:
    """uint16 (16, 16, channels): four samples, a quarter each."""
    corners = np.array(samples, np.uint16).reshape(2, 2, -1)
    return corners.repeat(8, axis=0).repeat(8, axis=1)


@pytest.mark.parametrize("size", [(224, 224), (100, 100), (640, 480), (31, 77), (1, 1)])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 30, "subsampling": 2}])
def test_a_jpeg_becomes_the_notebooks_tensor_bit_by_bit(size: tuple[int, int], options: dict[str, Any]) -> None:
    content = encoded(fruit("Pear", 0, size), "JPEG", **options)
    notebook = np.asarray(Image.open(io.BytesIO(content)).convert("RGB").resize((224, 224)))
    tensor = decode(content, 224)
    assert tensor.dtype == np.uint8
    np.testing.assert_array_equal(tensor, notebook)


@pytest.mark.parametrize("size", [1, 32, 224])
def test_the_tensor_is_a_square_of_the_size_asked_for(size: int) -> None:
    assert decode(encoded(FOUR_COLOURS, "PNG"), size).shape == (size, size, 3)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(encoded(FOUR_COLOURS, "PNG"), id="png"),
        pytest.param(encoded(FOUR_COLOURS.convert("RGBA"), "PNG"), id="rgba"),
        pytest.param(encoded(FOUR_COLOURS.quantize(4), "PNG"), id="palette"),
        pytest.param(encoded(FOUR_COLOURS.quantize(4), "PNG", transparency=0), id="palette with a transparent colour"),
        pytest.param(encoded(FOUR_COLOURS.quantize(4), "PNG", transparency=bytes([255, 128, 1, 0])), id="palette with alpha"),
        pytest.param(encoded(FOUR_COLOURS.convert("CMYK"), "TIFF"), id="cmyk tiff"),
        pytest.param(encoded(FOUR_COLOURS, "WEBP", lossless=True), id="webp"),
        pytest.param(encoded(FOUR_COLOURS, "BMP"), id="bmp"),
        pytest.param(encoded(FOUR_COLOURS, "TIFF", compression="tiff_lzw"), id="tiff"),
        pytest.param(encoded(FOUR_COLOURS.quantize(4), "GIF"), id="gif"),
        pytest.param(
            encoded(FOUR_COLOURS, "WEBP", lossless=True, save_all=True, append_images=[FOUR_COLOURS.rotate(180)]),
            id="first frame of an animated webp",
        ),
        pytest.param(
            encoded(FOUR_COLOURS, "PNG", save_all=True, append_images=[FOUR_COLOURS.rotate(180)]),
            id="first frame of an animated png",
        ),
        pytest.param(
            encoded(FOUR_COLOURS.quantize(4), "GIF", save_all=True, append_images=[FOUR_COLOURS.rotate(180).quantize(4)]),
            id="first frame of a gif",
        ),
        pytest.param(encoded(FOUR_COLOURS, "PPM"), id="ppm"),
        pytest.param(encoded(FOUR_COLOURS, "JPEG2000"), id="jpeg 2000"),
        pytest.param(
            png_16_bit(sixteen_bit([[257 * level for level in colour] for colour in (RED, GREEN, BLUE, WHITE)])),
            id="16-bit rgb",
        ),
    ],
)
def test_colours_survive_every_lossless_format(content: bytes) -> None:
    assert quarter_centres(decode(content, SIZE)) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(encoded(FOUR_COLOURS, "JPEG", quality=95), id="jpeg"),
        pytest.param(encoded(FOUR_COLOURS, "JPEG", quality=95, progressive=True), id="progressive jpeg"),
        pytest.param(encoded(FOUR_COLOURS.convert("CMYK"), "JPEG", quality=95), id="cmyk jpeg"),
        pytest.param(encoded(FOUR_COLOURS, "WEBP", quality=95), id="lossy webp"),
        pytest.param(encoded(FOUR_COLOURS, "AVIF", quality=95), id="avif"),
        pytest.param(encoded(FOUR_COLOURS, "JPEG2000", irreversible=True, quality_layers=[5]), id="lossy jpeg 2000"),
    ],
)
def test_colours_survive_lossy_formats_nearly(content: bytes) -> None:
    np.testing.assert_allclose(quarter_centres(decode(content, SIZE)), [RED, GREEN, BLUE, WHITE], atol=8)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(encoded(FOUR_GREYS, "PNG"), id="grey"),
        pytest.param(encoded(FOUR_GREYS.convert("LA"), "PNG"), id="grey with alpha"),
        pytest.param(encoded(quadrants([0, 77, 180, 255], "L", (96, 96)), "JPEG", quality=100), id="grey jpeg"),
        pytest.param(png_16_bit(sixteen_bit([[257 * level, 9] for level in (0, 77, 180, 255)])), id="16-bit with alpha"),
    ],
)
def test_grey_photos_become_grey_rgb(content: bytes) -> None:
    assert quarter_centres(decode(content, SIZE)) == greys(0, 77, 180, 255)


def test_one_bit_photos_become_black_and_white() -> None:
    content = encoded(quadrants([0, 1, 1, 0], "1"), "PNG")
    assert quarter_centres(decode(content, SIZE)) == greys(0, 255, 255, 0)


@pytest.mark.parametrize(
    "encode",
    [
        pytest.param(lambda samples: png_16_bit(samples[..., np.newaxis]), id="png"),
        pytest.param(lambda samples: encoded(Image.fromarray(samples), "TIFF"), id="tiff"),
        pytest.param(
            lambda samples: encoded(Image.frombytes("I;16B", (16, 16), samples.astype(">u2").tobytes()), "TIFF"),
            id="big-endian tiff",
        ),
        pytest.param(lambda samples: encoded(Image.fromarray(samples.astype(np.int32)), "TIFF"), id="32-bit tiff"),
    ],
)
def test_sixteen_bit_samples_keep_their_high_byte(encode: Callable[[NDArray[np.uint16]], bytes]) -> None:
    content = encode(sixteen_bit([0x0000, 0x12FF, 0x80FF, 0xFFFF])[..., 0])
    assert quarter_centres(decode(content, SIZE)) == greys(0x00, 0x12, 0x80, 0xFF)


def test_samples_beyond_sixteen_bits_are_clipped() -> None:
    samples = np.array([[-5, 0x1234], [0xFFFF, 2**30]], np.int32).repeat(8, axis=0).repeat(8, axis=1)
    content = encoded(Image.fromarray(samples), "TIFF")
    assert quarter_centres(decode(content, SIZE)) == greys(0, 0x12, 255, 255)


def test_float_samples_are_stretched_from_their_minimum_to_their_maximum() -> None:
    samples = np.array([[-1, 0], [1, 3]], np.float32).repeat(8, axis=0).repeat(8, axis=1)
    content = encoded(Image.fromarray(samples), "TIFF")
    assert quarter_centres(decode(content, SIZE)) == greys(0, 63, 127, 255)


def test_equal_float_samples_are_black() -> None:
    assert not decode(encoded(Image.fromarray(np.full((4, 4), 7, np.float32)), "TIFF"), SIZE).any()


@pytest.mark.parametrize("sample", [np.nan, np.inf, -np.inf])
def test_float_samples_that_are_not_finite_are_refused(sample: float) -> None:
    content = encoded(Image.fromarray(np.array([[0, sample], [1, 2]], np.float32)), "TIFF")
    with pytest.raises(ImageError, match="not finite"):
        decode(content, SIZE)


def test_the_exif_orientation_is_ignored_unless_asked_for() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show the photo turned clockwise
    turned = encoded(FOUR_COLOURS, "JPEG", quality=95, exif=exif)
    np.testing.assert_array_equal(decode(turned, SIZE), decode(encoded(FOUR_COLOURS, "JPEG", quality=95), SIZE))
    shown = quarter_centres(decode(turned, SIZE, apply_exif_orientation=True))
    np.testing.assert_allclose(shown, [BLUE, RED, WHITE, GREEN], atol=8)


def test_asking_for_the_exif_orientation_changes_nothing_where_there_is_none() -> None:
    content = encoded(FOUR_COLOURS, "JPEG")
    np.testing.assert_array_equal(decode(content, SIZE, apply_exif_orientation=True), decode(content, SIZE))


@pytest.mark.parametrize("size", [(900, 900), (3000, 1000)])
def test_a_draft_of_a_large_jpeg_is_nearly_the_whole(size: tuple[int, int]) -> None:
    content = photograph(size)
    drafted, whole = decode(content, SIZE, jpeg_draft=True).astype(int), decode(content, SIZE).astype(int)
    difference = abs(drafted - whole)
    assert difference.any(), "it was no draft"
    assert difference.mean() < 0.5
    assert difference.max() <= 8


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(photograph((895, 895)), id="a jpeg of less than four times the size"),
        pytest.param(encoded(fruit("Pear", 0, (1000, 1000)), "PNG"), id="a large png"),
        pytest.param(encoded(fruit("Pear", 0, (1000, 1000)), "WEBP"), id="a large webp"),
    ],
)
def test_a_draft_changes_no_pixel_of_others(content: bytes) -> None:
    np.testing.assert_array_equal(decode(content, SIZE, jpeg_draft=True), decode(content, SIZE))


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_drafts_keep_the_colours_of_every_mode(mode: str) -> None:
    content = encoded(FOUR_COLOURS.resize((2000, 2000), Image.Resampling.NEAREST).convert(mode), "JPEG", quality=95)
    expected = quarter_centres(decode(content, SIZE))
    np.testing.assert_allclose(quarter_centres(decode(content, SIZE, jpeg_draft=True)), expected, atol=2)


def test_a_draft_is_turned_as_the_whole_is() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded(FOUR_COLOURS.resize((2000, 1000), Image.Resampling.NEAREST), "JPEG", quality=95, exif=exif)
    shown = quarter_centres(decode(content, SIZE, apply_exif_orientation=True, jpeg_draft=True))
    np.testing.assert_allclose(shown, [BLUE, RED, WHITE, GREEN], atol=8)


def test_a_buffer_is_as_good_as_bytes() -> None:
    content = encoded(FOUR_COLOURS, "PNG")
    for buffer in (memoryview(content), pa.py_buffer(content)):
        np.testing.assert_array_equal(decode(buffer, SIZE), decode(content, SIZE))


WHOLE_JPEG, WHOLE_PNG = (encoded(fruit("Pear", 0), file_format) for file_format in ("JPEG", "PNG"))
PNG_WITH_A_SHORT_CHUNK = WHOLE_PNG[:35] + b"\0" + WHOLE_PNG[36:]  # the length of IDAT: what follows is no chunk


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "^empty file$", id="empty"),
        pytest.param(np.random.default_rng(0).bytes(5000), "^not an image", id="random bytes"),
        pytest.param(b"\0" * 5000, "^not an image", id="zeros"),
        pytest.param(b"fruit,label\nkiwi,1\n" * 100, "^not an image", id="text"),
        pytest.param(WHOLE_JPEG[:3], "^not an image", id="only a signature"),
        pytest.param(WHOLE_JPEG[: len(WHOLE_JPEG) // 2], "^cannot decode: .*[Tt]runcated", id="half a jpeg"),
        pytest.param(WHOLE_PNG[: len(WHOLE_PNG) // 2], "^cannot decode: .*truncated", id="half a png"),
        pytest.param(PNG_WITH_A_SHORT_CHUNK, "^cannot decode: SyntaxError: broken PNG", id="no chunk where one belongs"),
        pytest.param(png_that_claims(60_000, 60_000), "^too large: .*178956970", id="bomb"),
        pytest.param(png_that_claims(MAX_PIXELS + 1, 1), "^too large: .*178956970", id="one pixel too many"),
    ],
)
def test_what_is_no_photo_has_a_reason(content: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason) as caught:
        decode(content, SIZE)
    assert len(str(caught.value)) <= 200
    assert "\n" not in str(caught.value)


def test_a_photo_that_is_a_program_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ghostscript = tmp_path / "gs"
    ghostscript.write_text(f"#!/bin/sh\ntouch '{tmp_path}/it ran'\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)  # Pillow has not looked for it yet
    with pytest.raises(ImageError, match="a program, not a photo"):
        decode(encoded(FOUR_COLOURS, "EPS"), SIZE)
    assert not (tmp_path / "it ran").exists()


def test_a_bomb_is_refused_before_it_goes_off() -> None:
    before = time.perf_counter()
    with pytest.raises(ImageError, match="too large"):
        decode(png_that_claims(60_000, 60_000), SIZE)
    assert time.perf_counter() - before < 0.5, "unpacking it would take 11 GB and half a minute"


def test_a_photo_of_doubtful_size_is_decoded_without_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3000)  # Pillow warns from here, and refuses from twice this many
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decode(encoded(FOUR_COLOURS, "PNG"), SIZE)


def test_a_photo_that_is_to_be_turned_takes_a_copy() -> None:
    content = encoded(Image.new("RGB", (1000, 1000)), "PNG")
    decode(content, SIZE, max_decoded_mb=4)
    decode(content, SIZE, max_decoded_mb=8, apply_exif_orientation=True)
    with pytest.raises(ImageError, match="take 8 MB"):
        decode(content, SIZE, max_decoded_mb=7, apply_exif_orientation=True)


def test_a_photo_of_one_pixel_by_a_million_takes_little(tmp_path: Path) -> None:
    content = encoded(Image.new("RGB", (1, 10**6), RED), "PNG")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    np.testing.assert_array_equal(decode(content, SIZE), np.full((SIZE, SIZE, 3), RED))
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 200 * 10**6


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_bands_change_no_pixel(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = np.random.default_rng(0).integers(0, 70_000 if mode != "I;16" else 65_536, (301, 40))
    dtype = {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]
    content = encoded(Image.fromarray(samples.astype(dtype)), "TIFF")
    whole = decode(content, SIZE)
    monkeypatch.setattr(imaging, "_BAND_PIXELS", 300)
    np.testing.assert_array_equal(decode(content, SIZE), whole)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP"]),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8),
    st.floats(0, 1),
)
def test_a_damaged_photo_becomes_a_tensor_or_a_reason_and_nothing_else(
    file_format: str, damages: list[tuple[float, int]], kept: float
) -> None:
    content = bytearray(encoded(fruit("Pear", 0, (24, 20)), file_format))
    for where, byte in damages:
        content[int(where * len(content))] = byte
    try:
        outcome: object = decode(bytes(content[: round(kept * len(content))]), 16).shape
    except ImageError as error:
        outcome = str(error)
    assert outcome == (16, 16, 3) or (isinstance(outcome, str) and outcome)


# --- pictures for people ----------------------------------------------------------------------------------------------


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    assert image.format == "JPEG"
    return image


@pytest.mark.parametrize(
    ("size", "shown"), [((640, 480), (96, 72)), ((480, 640), (72, 96)), ((4000, 3000), (96, 72)), ((3000, 1), (96, 1))]
)
def test_a_thumbnail_keeps_the_aspect_ratio(size: tuple[int, int], shown: tuple[int, int]) -> None:
    for file_format in ("JPEG", "PNG"):
        assert opened(thumbnail(encoded(FOUR_COLOURS.resize(size), file_format), 96)).size == shown


def test_a_thumbnail_of_a_small_photo_is_no_larger() -> None:
    assert opened(thumbnail(encoded(FOUR_COLOURS, "PNG"), 96)).size == FOUR_COLOURS.size


@pytest.mark.parametrize(
    "content",
    [encoded(FOUR_GREYS.convert(mode), "TIFF") for mode in ("RGB", "RGBA", "P", "CMYK", "L", "F")]
    + [png_16_bit(sixteen_bit([0, 20_000, 46_000, 65_535]))],
    ids=["RGB", "RGBA", "P", "CMYK", "L", "F", "16 bit"],
)
def test_any_mode_has_a_thumbnail(content: bytes) -> None:
    shown = opened(thumbnail(content, 96))
    assert shown.mode == "RGB"
    np.testing.assert_allclose(quarter_centres(np.asarray(shown.resize((96, 96)))), greys(0, 77, 180, 255), atol=12)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
def test_a_thumbnail_is_upright(file_format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    square = FOUR_COLOURS.resize((256, 256))
    shown = opened(thumbnail(encoded(square, file_format, exif=exif), 64))
    np.testing.assert_allclose(quarter_centres(np.asarray(shown)), [BLUE, RED, WHITE, GREEN], atol=12)


def test_a_thumbnail_carries_no_metadata() -> None:
    heavy = encoded(FOUR_COLOURS, "JPEG", comment=b"c" * 60_000, icc_profile=b"p" * 60_000)
    assert len(thumbnail(heavy, 96)) < 4_000


@pytest.mark.parametrize("content", [b"", b"no photo", WHOLE_JPEG[: len(WHOLE_JPEG) // 2], png_that_claims(60_000, 60_000)])
def test_what_is_no_photo_has_no_thumbnail_but_the_same_reason(content: bytes) -> None:
    with pytest.raises(ImageError) as expected:
        decode(content, SIZE)
    with pytest.raises(ImageError) as caught:
        thumbnail(content, 96)
    assert str(caught.value) == str(expected.value)
