"""Which processors add products of int8 numbers exactly."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from fruit_features.networks.engines.processor import int8_sums_overflow, lists_vnni

ZEN_3 = "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu sse4_2 fma avx avx2 vaes\nbugs\t\t: sysret_ss_attrs\n"
SKYLAKE = ZEN_3.replace("avx2", "avx2 avx512f avx512bw avx512vl")
ZEN_4 = SKYLAKE.replace("avx512vl", "avx512vl avx512_vnni avx512_bitalg")
ALDER_LAKE = ZEN_3.replace("avx2", "avx2 avx_vnni")


@pytest.mark.parametrize(
    ("cpuinfo", "has_it"),
    [(ZEN_3, False), (SKYLAKE, False), (ZEN_4, True), (ALDER_LAKE, True), ("", False), ("model name\t: avx_vnni\n", False)],
    ids=["Zen 3", "Skylake", "Zen 4", "Alder Lake", "empty", "in a name"],
)
def test_the_flags_of_a_processor_tell_whether_it_has_vnni(cpuinfo: str, has_it: bool) -> None:
    assert lists_vnni(cpuinfo) is has_it


@pytest.mark.skipif(platform.machine() != "x86_64" or not Path("/proc/cpuinfo").exists(), reason="a Linux on x86-64 is asked")
def test_this_processor_s_sums_overflow_if_it_has_no_vnni() -> None:
    assert int8_sums_overflow() is not lists_vnni(Path("/proc/cpuinfo").read_text())


def test_arm_s_sums_do_not_overflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert int8_sums_overflow() is False
