"""Names of photos as tables give them: paths below the folder of photos."""

from __future__ import annotations

import re

_PLACE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[/\\]")


def is_like_a_place(file_name: str) -> bool:
    """Whether a name begins as a URI or a drive does, and not as a path below a folder."""
    return _PLACE.match(file_name) is not None


def without_dots(file_name: str) -> str:
    """Take `./` from the beginning of a name, which means nothing there."""
    return re.sub(r"^(\./+)+", "", file_name)
