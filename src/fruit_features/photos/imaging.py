"""Decodes the bytes of a photo to the RGB tensor that a backbone sees or to a thumbnail, or says why that is impossible.

This module knows Pillow and numpy only, so that it can be tested, fuzzed and reused by itself.
"""

from __future__ import annotations

import io
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from fruit_features.photos.errors import ImageError
from fruit_features.photos.facts import SQUARE, PhotoFacts, measure_luma, read_orientation
from fruit_features.photos.heic import decode_heic, is_heic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Unpack

    from numpy.typing import NDArray

PREPROCESSING = "pillow-rgb-bicubic"
"""Name of what `decode` does to pixels, which is part of every fingerprint: a change that alters pixels takes a new name."""

MAX_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 0)
"""Photos with more pixels are refused unread: where Pillow raises instead of warning (179 million)."""

MAX_DECODED_MB = 1024
"""Megabytes that decoding one photo may take unless a caller says otherwise: 179 million pixels of RGB in most formats."""

DRAFT_MARGIN = 2
"""A drafted JPEG keeps at least this many times the pixels of the square along each side: resampling hides what it lost."""

_BAND_PIXELS = 2**22
"""Pixels of a photo of more than 8 bits a sample that are converted at once."""

_ROWS_PER_STRIP = 278
"""TIFF's tag for the rows that are compressed, and unpacked, as one."""

_WEBP_BUFFERS = 3
"""Copies that libwebp and Pillow hold of a photo beside the final one: two canvases of an animation, and the frame's bytes."""

_AVIF_BUFFERS = 10
"""Bytes a pixel that libavif and Pillow hold beside the final photo: planes of up to 16 bits, and one copy in RGB."""

_JPEG_2000_BUFFERS = 6
"""The same of OpenJPEG, for each channel: samples of 32 bits, and what they are unpacked from."""

_HEIC_BYTES_PER_PIXEL = 16
"""What a worker and its child hold of a HEIC photo together: its planes, and copies in RGB."""

_RUN_BY_GHOSTSCRIPT = "EPS"
"""Pillow hands these files to Ghostscript, where there is one: a program, which may do much and need not end."""

# Pillow may leave these modes out of what `convert("RGB")` scales: their samples are wider than 8 bits.
_SIXTEEN_BIT_MODES = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})

_BYTES_PER_PIXEL = {"1": 1, "L": 1, "P": 1, **dict.fromkeys(_SIXTEEN_BIT_MODES, 2)}
"""How Pillow stores pixels in memory; other modes take four bytes, RGB among them."""


Resize = Literal["squash", "crop"]
"""How a photo becomes a square: squashed, or scaled until its shorter side fits, and cut to its centre."""

Interpolation = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]
"""Pillow's filters, by their names in lower case."""


class Decoding(TypedDict, total=False):
    """Keyword arguments of `decode` and `decode_with_facts`."""

    apply_exif_orientation: bool
    jpeg_draft: bool
    max_decoded_mb: int
    resize: Resize
    interpolation: Interpolation


_DEFAULTS_OF_LATER_DATE: dict[str, Any] = {"max_decoded_mb": MAX_DECODED_MB, "resize": "squash", "interpolation": "bicubic"}
"""What came later than fingerprints did: it is left out where it has its default, so that older fingerprints stay the same."""


def decoding_of_features(decoding: Decoding) -> dict[str, Any]:
    """Choose what of `decoding` is part of a fingerprint."""
    return {name: value for name, value in decoding.items() if _DEFAULTS_OF_LATER_DATE.get(name) != value}


def decode(content: bytes | memoryview, size: int, **decoding: Unpack[Decoding]) -> NDArray[np.uint8]:
    """Decode as `decode_with_facts` does, where nobody wants to know the facts.

    Returns:
        uint8 array of shape (size, size, 3).

    Raises:
        ImageError: As `decode_with_facts`.

    """
    return decode_with_facts(content, size, **decoding)[0]


def decode_with_facts(
    content: bytes | memoryview,
    size: int,
    *,
    apply_exif_orientation: bool = False,
    jpeg_draft: bool = False,
    max_decoded_mb: int = MAX_DECODED_MB,
    resize: Resize = "squash",
    interpolation: Interpolation = "bicubic",
) -> tuple[NDArray[np.uint8], PhotoFacts]:
    """Decode one photo to RGB, make it a square, and tell what is known about it.

    Args:
        content: The encoded photo (what Pillow itself reads, and HEIC with an extra); an animation's first frame.
        size: Side of the square in pixels.
        apply_exif_orientation: Turn the photo as its EXIF tag says before squashing; the notebook ignores the tag.
        jpeg_draft: Let the JPEG decoder scale large photos down by 2, 4 or 8, to no less than `DRAFT_MARGIN` times `size`; it
            saves most of its time and memory. A sample changes by less than 0.5 of 255 on average, by a few at most.
        max_decoded_mb: Megabytes (10^6 bytes) that decoding may take. A JPEG that would take more is scaled down as by
            `jpeg_draft`.
        resize: `squash` does not keep the aspect ratio, as in the notebook. `crop` scales the shorter side to `size`, and
            keeps the centre of the longer one.
        interpolation: The filter; the notebook's is Pillow's default, bicubic.

    Returns:
        uint8 array of shape (size, size, 3), and the facts.

    Raises:
        ImageError: The bytes are no photo that Pillow can read, or one of more than `MAX_PIXELS` pixels, or one that would
            take more than `max_decoded_mb`.

    """
    with _open(content, max_decoded_mb) as image:
        header = image.width, image.height, image.format or "", image.mode, read_orientation(image)
        drafted_for = max(size, SQUARE)  # else facts of a small input size would be those of a blurred photo
        _limit_memory(image, drafted_for, max_decoded_mb, is_drafted=jpeg_draft, is_turned=apply_exif_orientation)
        upright = ImageOps.exif_transpose(image) if apply_exif_orientation else image
        rgb = _to_rgb(upright)
        square = _to_square(rgb, size, resize, Image.Resampling[interpolation.upper()])
        # The photo index keeps the facts of a photo once: they do not depend on what a network wants to see.
        is_as_measured = (size, resize, interpolation) == (SQUARE, "squash", "bicubic")
        is_small = min(rgb.size) < SQUARE
        measured = rgb if is_small else square if is_as_measured else rgb.resize((SQUARE, SQUARE))
        return np.asarray(square), PhotoFacts(*header, *measure_luma(measured))


def _to_square(image: Image.Image, size: int, resize: Resize, interpolation: Image.Resampling) -> Image.Image:
    """Resample a photo to a square.

    A crop has the pixels of torchvision's `Resize(size)` and `CenterCrop(size)`: the longer side is rounded down to whole
    pixels, and the margin to the nearest. Only the centre is resampled: the whole of a very long photo would take too
    much memory.
    """
    if resize == "squash" or image.width == image.height:
        return image.resize((size, size), interpolation)
    shorter, longer = sorted(image.size)
    scaled = int(size * longer / shorter)
    margin = round((scaled - size) / 2)
    low, high = margin * longer / scaled, (margin + size) * longer / scaled
    box = (low, 0, high, shorter) if image.width > image.height else (0, low, shorter, high)
    return image.resize((size, size), interpolation, box)


def thumbnail(content: bytes | memoryview, size: int, max_decoded_mb: int = MAX_DECODED_MB) -> bytes:
    """Shrink one photo for people to look at: upright, and with its aspect ratio kept.

    Args:
        content: The encoded photo.
        size: Pixels of the longer side; a smaller photo stays as it is.
        max_decoded_mb: As for `decode`.

    Returns:
        A JPEG.

    Raises:
        ImageError: As `decode`.

    """
    with _open(content, max_decoded_mb) as image:
        _limit_memory(image, size, max_decoded_mb, is_drafted=True, is_turned=False)
        scale = min(1.0, size / max(image.size))
        small = _to_rgb(image).resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
        small.getexif()[ExifTags.Base.Orientation] = image.getexif().get(ExifTags.Base.Orientation, 1)
        jpeg = io.BytesIO()
        ImageOps.exif_transpose(small).save(jpeg, "JPEG", quality=85, comment=None)
    return jpeg.getvalue()


@contextmanager
def _open(content: bytes | memoryview, max_decoded_mb: int) -> Iterator[Image.Image]:
    """Open a photo, and turn whatever Pillow raises on it into a reason. HEIC, which Pillow does not know, comes decoded."""
    if len(content) == 0:
        raise ImageError("empty file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a broken photo becomes a row with a reason, not a line in the log
            if is_heic(content):
                yield decode_heic(content, min(MAX_PIXELS, max_decoded_mb * 10**6 // _HEIC_BYTES_PER_PIXEL))
                return
            with Image.open(io.BytesIO(content)) as image:
                _refuse_program(image)
                yield image
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError("not an image that Pillow can identify") from None
    except Image.DecompressionBombError:
        raise ImageError(f"too large: exceeds {MAX_PIXELS} pixels") from None
    except Exception as error:  # Pillow's plugins raise OSError, SyntaxError, ValueError, struct.error, ... on broken files
        raise ImageError(f"cannot decode: {type(error).__name__}: {error}"[:200]) from None


def _refuse_program(image: Image.Image) -> None:
    """Stop before a file is run that was only to be looked at.

    Raises:
        ImageError: It is PostScript.

    """
    if image.format == _RUN_BY_GHOSTSCRIPT:
        raise ImageError("PostScript is a program, not a photo")


def _limit_memory(image: Image.Image, size: int, max_decoded_mb: int, *, is_drafted: bool, is_turned: bool) -> None:
    """Draft a JPEG, if that is wanted or saves it from being refused; nothing is decoded yet.

    Raises:
        ImageError: Decoding would take more memory than is allowed.

    """
    width, height = image.size
    megabytes = _megabytes_to_decode(image, (width, height), is_turned=is_turned)
    if is_drafted or megabytes > max_decoded_mb:
        image.draft(None, (DRAFT_MARGIN * size, DRAFT_MARGIN * size))
        megabytes = _megabytes_to_decode(image, (width, height), is_turned=is_turned)
    if megabytes > max_decoded_mb:
        raise ImageError(
            f"too large: {width} x {height} pixels take {megabytes:.0f} MB to decode, max_decoded_mb={max_decoded_mb}"
        )


def _megabytes_to_decode(image: Image.Image, full_size: tuple[int, int], *, is_turned: bool) -> float:
    """Add up all that is of the photo's own size while it is decoded, by what its header says.

    Args:
        image: The photo, perhaps drafted; not loaded.
        full_size: Its width and height before that.
        is_turned: Whether there may be a copy that is turned as the EXIF tag says.

    """
    width, height = image.size
    stored = width * height * _BYTES_PER_PIXEL.get(image.mode, 4)
    in_decoder = 0.0
    if image.format == "WEBP":
        in_decoder = _WEBP_BUFFERS * stored
    elif image.format == "AVIF":
        in_decoder = _AVIF_BUFFERS * width * height
    elif image.format == "JPEG2000":
        in_decoder = _JPEG_2000_BUFFERS * len(image.getbands()) * width * height
    elif image.format == "PPM" and image.mode == "I":
        in_decoder = stored
    elif image.format == "TIFF" and image.info.get("compression") != "raw":
        rows = min(height, getattr(image, "tag_v2", {}).get(_ROWS_PER_STRIP, height))
        in_decoder = stored * rows / height
    elif image.info.get("progressive") or image.info.get("progression"):
        # libjpeg keeps the coefficients of every component, two bytes each, at full size whatever the draft.
        sampling = [horizontal * vertical for _, horizontal, vertical, _ in getattr(image, "layer", [])]
        in_decoder = 2 * full_size[0] * full_size[1] * sum(sampling) / max(sampling, default=1)
    return (stored * (2 if is_turned else 1) + (0 if image.mode == "RGB" else 4 * width * height) + in_decoder) / 10**6


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert any Pillow mode to RGB; 16-bit samples keep their high byte, where `convert` alone would clip at 255.

    Raises:
        ImageError: There is a NaN or an infinity among float samples.

    """
    if image.mode == "RGB":
        return image
    if image.mode in _SIXTEEN_BIT_MODES:
        return _map_to_rgb(image, lambda samples: samples >> 8)
    if image.mode == "I":  # 32-bit container that PNG and TIFF readers use for 16-bit samples
        return _map_to_rgb(image, lambda samples: np.clip(samples, 0, 65_535) >> 8)
    if image.mode == "F":  # floats have no agreed range: their own is stretched to that of bytes
        low, high = _range_of(image)
        factor = 255.0 / ((high - low) or 1.0)
        return _map_to_rgb(image, lambda samples: (samples.astype(np.float64) - low) * factor)
    return image.convert("RGB")


def _map_to_rgb(image: Image.Image, to_bytes: Callable[[NDArray[Any]], NDArray[Any]]) -> Image.Image:
    """Map wide samples to grey levels, a band at a time: arrays of all samples would take several times the photo's memory."""
    rgb = Image.new("RGB", image.size)
    for top, band in _bands(image):
        grey = Image.fromarray(to_bytes(np.asarray(band)).astype(np.uint8))
        rgb.paste(grey.convert("RGB"), (0, top))
    return rgb


def _bands(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Cut a photo into bands of as many rows as make `_BAND_PIXELS`: the first row of each, and the band."""
    n_rows = max(1, _BAND_PIXELS // image.width)
    for top in range(0, image.height, n_rows):
        yield top, image.crop((0, top, image.width, min(top + n_rows, image.height)))


def _range_of(image: Image.Image) -> tuple[float, float]:
    """Find the least and the greatest sample of a photo of floats.

    Raises:
        ImageError: There is a NaN or an infinity among them.

    """
    ranges = np.array([(samples.min(), samples.max()) for samples in (np.asarray(band) for _, band in _bands(image))])
    low, high = float(ranges[:, 0].min()), float(ranges[:, 1].max())
    if not np.isfinite([low, high]).all():
        raise ImageError("cannot decode: float samples are not finite")
    return low, high
