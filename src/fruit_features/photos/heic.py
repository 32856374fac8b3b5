"""HEIC, the photos of phones: told by content, and decoded in a process of their own by a package that is an extra.

The decoders of HEIC (libheif, libde265) have had bugs by which a photo could run code: in 2026, those before the versions
below. They are bundled in Python packages, where nothing shows their versions. So the package is not part of the set-up, an
older one is refused, and no HEIC photo is decoded in a worker's own process.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import struct
from typing import TYPE_CHECKING, Any

from PIL import Image

from fruit_features.photos.children import answer_of_child
from fruit_features.photos.errors import ImageError, MissingDecoderError

if TYPE_CHECKING:
    from types import ModuleType

MIN_LIBHEIF = (1, 23, 4)
MIN_LIBDE265 = (1, 1, 3)
"""The first versions of the two libraries without the bugs that were published in 2026."""

INSTALL = 'HEIC needs one more package: .venv/bin/pip install "pillow-heif>=1.8.0" (see docs/how-to.md)'
"""What a reject says where the package is missing. 1.8.0 is the first one that bundles the two versions above."""

_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"})
_NEUTRAL_BRANDS = frozenset({b"mif1", b"msf1"})
"""Any still photo, or sequence, of this family of formats; other brands in the list say which."""

_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_MODES = frozenset({"L", "RGB", "RGBA"})
_HEADER = struct.Struct(">II4s")
"""Width, height and Pillow's mode of the pixels that a child hands over."""


def is_heic(content: bytes | memoryview) -> bool:
    """Tell by a file's first box whether it is HEIC, whatever its name.

    Raises:
        ImageError: It is of the same family of files, but holds something else: a video, for example.

    """
    head = bytes(content[:8])
    if len(head) < 8 or head[4:] != b"ftyp":  # noqa: PLR2004 - ISO/IEC 14496-12: four bytes of length, then the box's name
        return False
    brands = bytes(content[8 : min(int.from_bytes(head[:4], "big"), 256)])
    major, compatible = brands[:4], {brands[start : start + 4] for start in range(8, len(brands), 4)}
    if major in _AVIF_BRANDS or (major in _NEUTRAL_BRANDS and compatible & _AVIF_BRANDS and not compatible & _BRANDS):
        return False  # Pillow's own
    if major in _BRANDS or (major in _NEUTRAL_BRANDS and compatible & _BRANDS):
        return True
    name = major.decode("ascii", "replace").strip()
    raise ImageError(f"no photo, but another file of the ISO media family ({name!r}), such as a video")


def decode_heic(content: bytes | memoryview, max_pixels: int) -> Image.Image:
    """Decode a HEIC photo in a child process: the main picture of several, turned as the file says.

    Args:
        content: The encoded photo.
        max_pixels: A photo with more is refused unread.

    Returns:
        The photo in RGB, of the format HEIF. It is upright already: in these files a turn is no EXIF tag that may be ignored.

    Raises:
        MissingDecoderError: The package that decodes it is not installed, or one that is not safe.
        ImageError: It is broken, too large, or has crashed the decoder.

    """
    package = _safe_package()
    answer = answer_of_child(lambda: _decode_to_bytes(package, bytes(content), max_pixels))
    width, height, mode = _HEADER.unpack_from(answer)
    image = Image.frombytes(mode.decode().strip(), (width, height), answer[_HEADER.size :])
    image.format = "HEIF"
    return image


def _decode_to_bytes(package: Any, content: bytes, max_pixels: int) -> bytes:
    try:
        opened = package.open_heif(content, convert_hdr_to_8bit=True)
        _limit_pixels(opened.size, max_pixels)
        image: Image.Image = opened.to_pillow()
        mode = image.mode if image.mode in _MODES else "RGB"
        return _HEADER.pack(*image.size, mode.ljust(4).encode()) + image.convert(mode).tobytes()
    except ImageError:
        raise
    except Exception as error:  # the package raises OSError, ValueError, RuntimeError and others on broken files
        raise ImageError(f"cannot decode: {type(error).__name__}: {error}"[:200]) from None


def _limit_pixels(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise ImageError(f"too large: {width} x {height} pixels, of which max_decoded_mb allows {max_pixels}")


def _safe_package() -> ModuleType:
    """Import the package.

    Raises:
        MissingDecoderError: It is not there, or bundles libraries that are not safe.

    """
    if importlib.util.find_spec("pillow_heif") is None:
        raise MissingDecoderError(INSTALL)
    package = importlib.import_module("pillow_heif")
    info = package.libheif_info()
    described = f"libheif {info['libheif']}, {', '.join(info['decoders'].values())}"
    de265 = re.search(r"libde265 .*?(\d+(?:\.\d+)+)", described)
    is_safe = _version(info["libheif"]) >= MIN_LIBHEIF and (de265 is None or _version(de265[1]) >= MIN_LIBDE265)
    if not is_safe:
        raise MissingDecoderError(f"{INSTALL}. The one that is there is not safe: it has {described}")
    return package


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])
