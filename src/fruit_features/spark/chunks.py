"""Divides photos into chunks, which are saved one after the other, and each chunk into tasks of Spark."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PHOTO_OVERHEAD = 160 * 2**10
"""Bytes of a JPEG that take as long to decode as one photo takes to resize and infer (10 ms of one core, measured)."""

TASK_WORK = 800 * PHOTO_OVERHEAD
"""Work of a task: 800 small photos, or 54 of 12 megapixels, which is some 8 s. What a dying worker or a late core costs."""

FIRST_TASK_WORK = TASK_WORK // 4
"""Work of each core in the first chunk, before anything is known about the speed of this run."""

MIN_TASK_WORK = TASK_WORK // 8
"""Work of each core in a chunk, at least: starting and saving a chunk takes about as long as this."""

SECONDS_PER_CHUNK = 20.0
"""How long a chunk is meant to take: what is lost when a run is stopped or killed."""

MAX_CHUNKS = 100
"""About how many chunks a run has at most, unless `chunk_size` asks for more: each reads the list of what is pending anew."""


def plan_chunks(photos_per_slot: Mapping[int, int], chunk_size: int, wanted: Callable[[], float]) -> Iterator[list[int]]:
    """Group slots, in order, into chunks of about the size that is wanted at the time when each is begun.

    What is left is divided evenly, so that no run ends with a chunk of a few photos. A chunk has therefore up to half as many
    photos again as are wanted. A slot is never split, so a chunk may exceed `chunk_size` by the photos of one slot.

    Args:
        photos_per_slot: How many photos each slot has; none has zero.
        chunk_size: Photos of a chunk at most.
        wanted: Asked for a number of photos, more than zero, before each chunk.

    Yields:
        The slots of a chunk.

    """
    rest = sum(photos_per_slot.values())
    slots = iter(sorted(photos_per_slot))
    while rest:
        n_chunks = max(1, round(rest / wanted()), -(-rest // chunk_size))
        chunk: list[int] = []
        n_photos = 0
        while n_photos * n_chunks < rest:
            chunk.append(next(slots))
            n_photos += photos_per_slot[chunk[-1]]
        yield chunk
        rest -= n_photos


class Pace:
    """Chooses how many photos the next chunk has: few in the first one, later as many as the speed of the one before suggests.

    It asks for chunks of `SECONDS_PER_CHUNK`, and for larger ones in a run of more than `MAX_CHUNKS` of those.

    Args:
        total: Photos of all chunks.
        work_per_photo: Bytes of a photo on average, plus `PHOTO_OVERHEAD`.
        n_cores: Number of tasks that run at the same time.

    """

    def __init__(self, total: int, work_per_photo: float, n_cores: int) -> None:
        self._total = total
        self._min_photos = max(n_cores * MIN_TASK_WORK / work_per_photo, total / MAX_CHUNKS)
        self._wanted = max(n_cores * FIRST_TASK_WORK / work_per_photo, total / MAX_CHUNKS)

    def wanted(self) -> float:
        """Count the photos of the next chunk."""
        return self._wanted

    def learn(self, n_photos: int, seconds: float) -> None:
        """Take into account how many seconds it took to compute and save a chunk."""
        at_this_speed = n_photos * SECONDS_PER_CHUNK / seconds if seconds > 0 else self._total
        self._wanted = max(at_this_speed, self._min_photos)


def count_tasks(work: float, n_cores: int) -> int:
    """Count the tasks of a chunk: each a few seconds' work, and as many for every core, so that all end together.

    Args:
        work: Bytes of the photos, plus `PHOTO_OVERHEAD` for each.
        n_cores: Number of tasks that run at the same time.

    """
    return n_cores * max(1, round(work / (TASK_WORK * n_cores)))
