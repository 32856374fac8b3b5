"""What this machine's processor has for sums of products of int8 numbers."""

from __future__ import annotations

import importlib
import platform
from pathlib import Path
from typing import Final

_CPUINFO: Final = Path("/proc/cpuinfo")
_X86: Final = frozenset({"x86_64", "amd64"})
_NUMPY_S_NAMES: Final = ("AVX512VNNI", "AVX512_CLX", "AVX512_ICL", "AVX512_SPR")
_LINUX_S_NAMES: Final = frozenset({"avx512_vnni", "avx_vnni"})


def int8_sums_overflow() -> bool:
    """Whether sums of products of uint8 and int8 may overflow: on x86-64 without VNNI, two products are added in 16 bits.

    The instruction is VPMADDUBSW, which saturates: 255 * 127 + 255 * 127 is more than 32,767. The processors with VNNI
    (Intel since Cascade Lake, AMD since Zen 4) add four products in 32 bits.
    """
    if platform.machine().lower() not in _X86:
        return False
    return not (_numpy_finds_vnni() or (_CPUINFO.exists() and lists_vnni(_CPUINFO.read_text())))


def lists_vnni(cpuinfo: str) -> bool:
    """Whether the flags of a processor in Linux's /proc/cpuinfo name VNNI, that of AVX-512 or that of AVX."""
    flags = (line.partition(":")[2].split() for line in cpuinfo.splitlines() if line.startswith("flags"))
    return any(_LINUX_S_NAMES & set(names) for names in flags)


def _numpy_finds_vnni() -> bool:
    """Whether numpy has found VNNI of AVX-512, by asking the processor; it does not look for that of AVX."""
    found = importlib.import_module("numpy._core._multiarray_umath").__cpu_features__  # which np.show_runtime prints
    return any(found.get(name, False) for name in _NUMPY_S_NAMES)
