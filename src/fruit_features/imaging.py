"""Bytes of a photo to the RGB tensor that a backbone sees, or to a picture for people, or the reason why not.

Knows Pillow and numpy only, so that it can be tested, fuzzed and reused alone.
"""

from __future__ import annotations

import io
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

PREPROCESSING = "pillow-rgb-bicubic"
"""Names what `decode` does to the pixels; a change that alters them takes a new name (it is part of the fingerprint)."""

MAX_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 0)
"""Photos with more pixels are refused unread: where Pillow raises instead of warning (179 million, 537 MB as RGB)."""

DRAFT_MARGIN = 2
"""A drafted JPEG keeps at least this many times the pixels of the square along each side: resampling hides what it lost."""

_RUN_BY_GHOSTSCRIPT = "EPS"
"""Pillow hands these files to Ghostscript, where there is one: a program, which may do much and need not end."""

# Pillow may leave these modes out of what `convert("RGB")` scales: their samples are wider than 8 bits.
_SIXTEEN_BIT_MODES = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})


class ImageError(ValueError):
    """A photo cannot become a tensor; the message is the reason, fit for a table of rejects."""


def decode(
    content: bytes | memoryview, size: int, *, apply_exif_orientation: bool = False, jpeg_draft: bool = False
) -> NDArray[np.uint8]:
    """Decode one photo to RGB and squash it to a square.

    Args:
        content: The encoded photo (JPEG, PNG, WebP, BMP, TIFF, GIF: what Pillow itself reads); an animation's first frame.
        size: Side of the square in pixels; the aspect ratio is not kept, as in the notebook.
        apply_exif_orientation: Turn the photo as its EXIF tag says before squashing; the notebook ignores the tag.
        jpeg_draft: Let the JPEG decoder scale large photos down by 2, 4 or 8, to no less than `DRAFT_MARGIN` times `size`; it
            saves most of its time and memory. A sample changes by less than 0.5 of 255 on average, by a few at most.

    Returns:
        uint8 array of shape (size, size, 3), resampled by Pillow's default filter (bicubic).

    Raises:
        ImageError: The bytes are no photo that Pillow can read, or one of more than `MAX_PIXELS` pixels.

    """
    with _open(content) as image:
        if jpeg_draft:
            image.draft(None, (DRAFT_MARGIN * size, DRAFT_MARGIN * size))
        upright = ImageOps.exif_transpose(image) if apply_exif_orientation else image
        return np.asarray(_to_rgb(upright).resize((size, size)))


def thumbnail(content: bytes | memoryview, size: int) -> bytes:
    """Shrink one photo for people to look at: upright, and with its aspect ratio kept.

    Args:
        content: The encoded photo.
        size: Pixels of the longer side; a smaller photo stays as it is.

    Returns:
        A JPEG.

    Raises:
        ImageError: As `decode`.

    """
    with _open(content) as image:
        image.draft(None, (DRAFT_MARGIN * size, DRAFT_MARGIN * size))
        small = _to_rgb(ImageOps.exif_transpose(image))
        small.thumbnail((size, size))
        jpeg = io.BytesIO()
        small.save(jpeg, "JPEG", quality=85, comment=None)
    return jpeg.getvalue()


@contextmanager
def _open(content: bytes | memoryview) -> Iterator[Image.Image]:
    """Open a photo, and turn whatever Pillow raises on it into a reason."""
    if len(content) == 0:
        raise ImageError("empty file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a broken photo becomes a row with a reason, not a line in the log
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


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert any Pillow mode to RGB; 16-bit samples keep their high byte, where `convert` alone would clip at 255."""
    if image.mode == "RGB":
        return image
    if image.mode in _SIXTEEN_BIT_MODES:
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "I":  # 32-bit container that PNG and TIFF readers use for 16-bit samples
        return Image.fromarray((np.clip(np.asarray(image), 0, 65_535) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        return Image.fromarray(_stretch_to_bytes(np.asarray(image))).convert("RGB")
    return image.convert("RGB")


def _stretch_to_bytes(samples: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Map float samples, which have no agreed range, from their own minimum and maximum to 0..255.

    Raises:
        ImageError: There is a NaN or an infinity among the samples.

    """
    low, high = float(samples.min()), float(samples.max())
    if not np.isfinite([low, high]).all():
        raise ImageError("cannot decode: float samples are not finite")
    return ((samples.astype(np.float64) - low) * (255.0 / ((high - low) or 1.0))).astype(np.uint8)
