"""What a photo's header and its pixels tell about it, beside its features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import ExifTags, Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 112
"""Pixels of the side of the square on which brightness, contrast and sharpness are measured, whatever the photo's size."""

THUMBNAIL_SIDE: Final = 16
"""Pixels of the side of the smallest square, by which near copies of a photo are found. It divides `SIDE`."""

SQUARE: Final = 2 * SIDE
"""Pixels of the side of the square that this is made from, if neither side of the photo is shorter, whatever the network's
input size. The photo index keeps the facts of a photo once for all networks, so they must not depend on one."""

_MAY_TURN = ("exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif")
"""Entries of Pillow's `info` in which `Image.getexif` finds an orientation. Looking for it where there is none takes long."""

_ORIENTATIONS = range(1, 9)


@dataclass(frozen=True)
class PhotoFacts:
    """What is known about a photo that could be decoded.

    Attributes:
        width: Pixels, as they are stored: before any turn that the EXIF tag asks for.
        height: The same.
        format: Pillow's name of the file format, such as JPEG.
        mode: Pillow's name of the pixels' mode, such as RGB.
        orientation: The EXIF tag, 1 to 8; None if there is none, or another value. 1 is upright.
        brightness: Mean of the luma, in [0, 1].
        contrast: Standard deviation of the luma, in [0, 0.5].
        sharpness: Variance of the Laplacian of the luma, which is in [0, 255] here: the less, the more blurred. (Pech-Pacheco
            et al., "Diatom autofocusing in brightfield microscopy: a comparative study", 2000.)
        thumbnail: The luma of the photo squashed to `THUMBNAIL_SIDE` x `THUMBNAIL_SIDE` pixels, a byte each, row by row.

    """

    width: int
    height: int
    format: str
    mode: str
    orientation: int | None
    brightness: float
    contrast: float
    sharpness: float
    thumbnail: bytes


def read_orientation(image: Image.Image) -> int | None:
    """Read the EXIF tag of an opened photo; whatever is wrong with the tag, it is as if there were none.

    That of a TIFF file is left out: Pillow itself turns such a photo, always, and tells its sides as they are afterwards.
    """
    if image.format == "TIFF" or not any(name in image.info for name in _MAY_TURN):
        return None
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:
        return None
    return orientation if isinstance(orientation, int) and orientation in _ORIENTATIONS else None


def measure_luma(photo: Image.Image) -> tuple[float, float, float, bytes]:
    """Measure brightness, contrast and sharpness, and shrink the photo to its thumbnail.

    Args:
        photo: The photo in RGB, squashed to a square of `SQUARE`; or as it is, if a side of it is shorter.

    """
    grey = photo.convert("L")
    is_double = grey.size == (SQUARE, SQUARE)  # then `reduce` does what the box filter does, and is faster
    small = grey.reduce(2) if is_double else grey.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    luma = np.asarray(small, np.float32)
    laplacian = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * luma[1:-1, 1:-1]
    mean, variance = _mean_and_variance(luma)
    thumbnail = small.reduce(SIDE // THUMBNAIL_SIDE).tobytes()
    return mean / 255, float(np.sqrt(variance)) / 255, _mean_and_variance(laplacian)[1], thumbnail


def _mean_and_variance(values: NDArray[np.float32]) -> tuple[float, float]:
    flat = values.ravel()
    mean = float(flat.mean())
    return mean, max(0.0, float(flat @ flat) / flat.size - mean * mean)
