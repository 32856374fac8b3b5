"""Counts rejected photos by reason; reasons that differ in a number only, such as a count of bytes, are counted as one."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

NUMBER = r"\d+"
"""Regular expression of what is left out of a reason, for Python and for Spark."""


LEFT_OUT = "left out by metadata"
"""Reason of photos that the table of labels says are not to be used."""


def group_reasons(counts: Mapping[str, int]) -> dict[str, int]:
    """Group reasons by what they say beside their numbers.

    Args:
        counts: Rejected photos by reason.

    Returns:
        Rejected photos by reason with `#` for every number, the most frequent first.

    """
    groups: Counter[str] = Counter()
    for reason, count in counts.items():
        groups[re.sub(NUMBER, "#", reason)] += count
    return dict(sorted(groups.items(), key=lambda item: (-item[1], item[0])))
