"""Photos that fuzzing starts from: small ones, in every format and mode for which Pillow may take another path."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from PIL import Image

from tests.support.photos import encoded, fruit, png_16_bit, png_that_claims

_SIZE = (20, 16)


def seeds() -> dict[str, bytes]:
    """Encoded photos by name."""
    photo = fruit("Pear", 0).resize(_SIZE)
    palette, grey, alpha = photo.quantize(8), photo.convert("L"), photo.convert("RGBA")
    floats = Image.fromarray(np.asarray(grey, np.float32) / 255)
    wide = np.asarray(grey).astype(np.uint16) * 257

    def frames() -> dict[str, Any]:  # new ones: Pillow leaves the options of an encoder on what it has encoded
        return {"save_all": True, "append_images": [photo.rotate(180), photo.rotate(90)]}

    return {
        "rgb.jpg": encoded(photo, "JPEG"),
        "grey.jpg": encoded(grey, "JPEG"),
        "cmyk.jpg": encoded(photo.convert("CMYK"), "JPEG"),
        "progressive.jpg": encoded(photo, "JPEG", progressive=True),
        "comment, resolution and profile.jpg": encoded(photo, "JPEG", comment="fruit", dpi=(72, 72), icc_profile=bytes(200)),
        "several.mpo": encoded(photo, "MPO", **frames()),
        "one bit.png": encoded(photo.convert("1"), "PNG"),
        "grey.png": encoded(grey, "PNG"),
        "grey and alpha.png": encoded(photo.convert("LA"), "PNG"),
        "rgb.png": encoded(photo, "PNG"),
        "rgba.png": encoded(alpha, "PNG"),
        "palette.png": encoded(palette, "PNG"),
        "palette and alpha.png": encoded(palette, "PNG", transparency=bytes(range(0, 256, 32))),
        "transparent colour.png": encoded(photo, "PNG", transparency=(235, 235, 225)),
        "grey of 16 bits.png": png_16_bit(wide[..., np.newaxis]),
        "rgba of 16 bits.png": png_16_bit(np.asarray(alpha).astype(np.uint16) * 257),
        "claims.png": png_that_claims(300, 200),
        "animated.png": encoded(photo, "PNG", **frames()),
        "palette.gif": encoded(palette, "GIF"),
        "transparent.gif": encoded(palette, "GIF", transparency=1),
        "animated.gif": encoded(photo, "GIF", duration=40, loop=0, disposal=2, **frames()),
        "lossy.webp": encoded(photo, "WEBP"),
        "lossless.webp": encoded(alpha, "WEBP", lossless=True),
        "animated.webp": encoded(photo, "WEBP", **frames()),
        "one bit.bmp": encoded(photo.convert("1"), "BMP"),
        "palette.bmp": encoded(palette, "BMP"),
        "rgb.bmp": encoded(photo, "BMP"),
        "rgba.bmp": encoded(alpha, "BMP"),
        "rgb.tiff": encoded(photo, "TIFF"),
        "floats.tiff": encoded(floats, "TIFF"),
        "compressed floats.tiff": encoded(floats, "TIFF", compression="tiff_adobe_deflate"),
        "16 bits.tiff": encoded(Image.fromarray(wide), "TIFF"),
        "32 bits.tiff": encoded(Image.fromarray(wide.astype(np.int32)), "TIFF"),
        "lzw.tiff": encoded(photo, "TIFF", compression="tiff_lzw"),
        "packbits.tiff": encoded(palette, "TIFF", compression="packbits"),
        "jpeg.tiff": encoded(photo, "TIFF", compression="jpeg"),
        "fax.tiff": encoded(photo.convert("1"), "TIFF", compression="group4"),
        "lab.tiff": encoded(Image.frombytes("LAB", _SIZE, photo.tobytes()), "TIFF"),
        "pages.tiff": encoded(photo.copy(), "TIFF", **frames()),
        "photo.avif": encoded(photo, "AVIF"),
        "photo.jp2": encoded(photo, "JPEG2000"),
        "photo.ppm": encoded(photo, "PPM"),
        "grey.pgm": encoded(grey, "PPM"),
        "plain.ppm": b"P3\n2 1\n255\n250 10 10 20 200 30\n",
        "floats.pfm": encoded(floats, "PPM"),
        "photo.tga": encoded(photo, "TGA", compression="tga_rle"),
        "photo.pcx": encoded(photo, "PCX"),
        "photo.ico": encoded(alpha, "ICO", sizes=[(16, 16)]),
        "photo.icns": _icns(encoded(alpha.resize((16, 16)), "PNG")),
        "photo.im": encoded(photo, "IM"),
        "photo.sgi": encoded(photo, "SGI"),
        "photo.dds": encoded(alpha, "DDS", pixel_format="DXT5"),
        "photo.qoi": encoded(alpha, "QOI"),
        "photo.blp": encoded(palette, "BLP"),
        "photo.msp": encoded(photo.convert("1"), "MSP"),
        "photo.xbm": encoded(photo.convert("1"), "XBM"),
        "photo.spi": encoded(floats, "SPIDER"),
        "photo.eps": encoded(photo, "EPS"),
        **{f"orientation {tag}.jpg": encoded(photo, "JPEG", exif=_exif(tag)) for tag in (3, 6, 9)},
        "orientation.png": encoded(photo, "PNG", exif=_exif(5)),
        "orientation.webp": encoded(photo, "WEBP", exif=_exif(8)),
        "orientation.tiff": encoded(photo, "TIFF", exif=_exif(6)),
    }


def _icns(png: bytes) -> bytes:
    """An Apple icon of one size; Pillow would write all up to 1024 x 1024."""
    entry = b"icp4" + struct.pack(">I", 8 + len(png)) + png
    return b"icns" + struct.pack(">I", 8 + len(entry)) + entry


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = "fruit"
    return exif
