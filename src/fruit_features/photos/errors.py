"""Why a photo cannot be decoded."""

from __future__ import annotations


class ImageError(ValueError):
    """A photo cannot be decoded; the message is the reason that stands in `rejected_images`."""


class MissingDecoderError(ImageError):
    """A photo cannot be decoded here, but could be where one more package is installed."""
