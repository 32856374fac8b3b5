"""What `imaging.decode` promises for any bytes at all; `python -m tests.fuzz.promise FILE` checks it for those of a file."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from fruit_features.photos.errors import ImageError
from fruit_features.photos.imaging import decode

SIZE = 16
SECONDS = 10.0
MEMORY_MIB = 1536
"""What decoding one photo may take by default (`MAX_DECODED_MB`), and Python with its libraries."""

LONGEST_REASON = 250


def check(content: bytes, *, apply_exif_orientation: bool) -> str | None:
    """Decode, within the time allowed, to a tensor or a reason fit for a table.

    Returns:
        The reason, if it is no photo.

    """
    started = time.perf_counter()
    try:
        tensor = decode(content, SIZE, apply_exif_orientation=apply_exif_orientation)
    except ImageError as error:
        reason = str(error)
        assert 0 < len(reason) <= LONGEST_REASON, reason
        assert reason.encode().decode() == reason, "Arrow and the pipe of a decoding child take Unicode"
        assert reason.isprintable(), repr(reason)
    else:
        reason = None
        assert (tensor.shape, tensor.dtype) == ((SIZE, SIZE, 3), np.uint8)
    seconds = time.perf_counter() - started
    assert seconds < SECONDS, f"{seconds:.1f} s"
    return reason


if __name__ == "__main__":
    for apply_exif_orientation in (False, True):
        check(Path(sys.argv[1]).read_bytes(), apply_exif_orientation=apply_exif_orientation)
