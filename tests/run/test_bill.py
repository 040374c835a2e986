"""The bill counts user and system time, of this process and of the children it waited for."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from mathtune.run import bill


def test_cpu_seconds_are_user_and_system_time_of_this_process_and_its_children(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own, ended = [1.0], [SimpleNamespace(children_user=0.0, children_system=0.0)]
    monkeypatch.setattr(bill.time, "process_time", lambda: own[-1])
    monkeypatch.setattr(bill.os, "times", lambda: ended[-1])
    meter = bill.Meter()
    own.append(3.25)
    ended.append(SimpleNamespace(children_user=10.0, children_system=0.5))
    assert meter.read()["cpu_s"] == 2.25 + 10.0 + 0.5


def test_system_time_is_counted_for_real() -> None:
    """A child that only reads zeros spends most of its time in the system."""
    meter = bill.Meter()
    code = (
        "import os, resource\n"
        "while resource.getrusage(resource.RUSAGE_SELF).ru_stime < 0.2:\n"
        "    with open('/dev/zero', 'rb', buffering=0) as zeros: zeros.read(1 << 24)\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "print(used.ru_utime + used.ru_stime)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert meter.read()["cpu_s"] >= float(shown.stdout) - 0.05  # ticks of 0.01 s are rounded down


def test_counts_are_those_since_the_meter_was_made_and_workers_add_their_time() -> None:
    bill.add(sampled_tokens=5)
    meter = bill.Meter()
    assert "sampled_tokens" not in meter.read()
    bill.add(sampled_tokens=7, cpu_s=100.0)
    read = meter.read()
    assert read["sampled_tokens"] == 7
    assert 100.0 <= read["cpu_s"] < 150.0
    assert read["wall_s"] < 50.0
