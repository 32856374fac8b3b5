"""TEMP."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PhotoFacts:
    width: int
    height: int
    format: str
    mode: str
    orientation: int | None
    brightness: float
    contrast: float
    sharpness: float
