"""Damage as disks, copies and cut power do it to a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

N_OVERWRITTEN = 64


def flip_bit(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content))
    return content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1 :]


def overwrite(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(max(1, len(content) - N_OVERWRITTEN))
    return (content[:place] + chance.randbytes(N_OVERWRITTEN) + content[place + N_OVERWRITTEN :])[: len(content)]


def cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content))]


def empty(content: bytes, chance: random.Random) -> bytes:
    return b""


def zero(content: bytes, chance: random.Random) -> bytes:
    return bytes(len(content))


KINDS: tuple[Callable[[bytes, random.Random], bytes], ...] = (flip_bit, overwrite, cut, empty, zero)


def damage(path: Path, kind: Callable[[bytes, random.Random], bytes], chance: random.Random) -> bool:
    """Damage a file; False if it has no byte, or is as it was."""
    whole = path.read_bytes()
    if not whole:
        return False
    path.write_bytes(kind(whole, chance))
    return path.read_bytes() != whole
