"""Decoding in a child process: a photo that crashes the decoder itself becomes a reject instead of a dead worker."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from fruit_features.photos.children import answer_of_child
from fruit_features.photos.facts import PhotoFacts
from fruit_features.photos.imaging import Decoding, decode_with_facts

if TYPE_CHECKING:
    from typing import Unpack

    from numpy.typing import NDArray

_END_OF_FACTS = b"\n"


def decode_with_facts_in_child(
    content: bytes | memoryview, size: int, **decoding: Unpack[Decoding]
) -> tuple[NDArray[np.uint8], PhotoFacts]:
    """Decode as `imaging.decode_with_facts` does, at the cost of a fork (milliseconds a photo).

    Returns:
        uint8 array of shape (size, size, 3), and the facts.

    Raises:
        ImageError: As `decode_with_facts`, and where the child was killed: by a bug in a decoder, or for want of memory.

    """

    def work() -> bytes:
        pixels, facts = decode_with_facts(content, size, **decoding)
        record = asdict(facts) | {"thumbnail": facts.thumbnail.hex()}  # JSON knows no bytes
        return json.dumps(record).encode() + _END_OF_FACTS + pixels.tobytes()

    facts, _, pixels = answer_of_child(work).partition(_END_OF_FACTS)
    record = json.loads(facts)
    record["thumbnail"] = bytes.fromhex(record["thumbnail"])
    return np.frombuffer(pixels, np.uint8).reshape(size, size, 3), PhotoFacts(**record)
