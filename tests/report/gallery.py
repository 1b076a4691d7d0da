"""Timelines of a small program under scenarios of the catalogue, and the pictures of them that are pinned.

After a change of how they are drawn, write them anew with ``python tests/report/gallery.py``, and look at each.
"""

from __future__ import annotations

import functools
import linecache
from pathlib import Path

from pytest_hvclock import Host
from pytest_hvclock.plugin.markers import split
from pytest_hvclock.report.text import picture
from pytest_hvclock.running import Running
from pytest_hvclock.scenarios import SCENARIOS
from pytest_hvclock.timeline import Judgement, Timeline

PICTURES = Path(__file__).parent / "pictures"
START = "2026-01-01T00:00:00Z"
PINNED = (
    "azure-chrony",
    "boot-linux-on-a-tokyo-host",
    "checkpoint-seen-from-outside",
    "drift-500ppm",
    "frozen-clock",
    "linux-4-10-sets-every-sample",
    "restore-after-a-month",
    "w32time-2016-one-second-behind",
    "wsl2-pause-train",
    "wsl2-sleep-series",
)
PROGRAM = """\
import time


class Lease:
    def __init__(self, ttl):
        self.ttl = ttl
        self.until = time.time() + ttl

    def renew(self):
        started = time.monotonic()
        self.until = time.time() + self.ttl
        return time.monotonic() - started

    def held(self):
        return time.time() < self.until


def work(lease, rounds):
    for _ in range(rounds):
        lease.renew()
        time.sleep(5)
"""
FILE = "app/lease.py"
SECONDS = 1_000_000_000


@functools.cache
def timeline_of(name: str) -> Timeline:
    """Return the record of the program when a scenario strikes it after 15 s, and goes on for 40 s."""
    scenario = SCENARIOS[name]
    conditions = split({"start": START, **scenario.settings})
    guest = Host(**conditions.host).guest(**conditions.guest)
    for anomaly in scenario.before:
        anomaly.strike(guest)
    if scenario.anomalies:
        guest.arm(scenario)
    running = Running(guest)
    recorder = running.record()
    program = the_program()
    with running:
        lease = program["Lease"](30)
        if name == "frozen-clock":  # nothing that waits for it ever ends
            guest.advance("10 s")
        else:
            program["work"](lease, 3)
            if scenario.anomalies:
                guest.strike()
            lease.held()
            program["work"](lease, 8)
        lease.held()
    if guest.struck_at_ns is not None:
        said = "held did not recover (allowed: within 30 s of true time after the correction)"
        recorder.judgements.append(
            Judgement(
                "held",
                held=False,
                said=said,
                from_ns=guest.struck_at_ns,
                until_ns=guest.host.true_ns,
                allowed_ns=30 * SECONDS,
                kind="recovery",
            )
        )
    test = f"tests/test_lease.py::test_renew[{name}]"
    return recorder.timeline(
        test=test,
        scenario=name,
        outcome="failed",
        failure="assert not lease.held()",
        command=f"pytest '{test}' -o hvclock_start={START}",
        settings={"os": "linux", "timesync": "linux"},
    )


def the_program() -> dict[str, object]:
    """Return what the program defines; its lines are found wherever the tests run."""
    linecache.cache[FILE] = (len(PROGRAM), None, PROGRAM.splitlines(keepends=True), FILE)
    names: dict[str, object] = {}
    exec(compile(PROGRAM, FILE, "exec"), names)  # noqa: S102  (ours)
    return names


def pinned() -> dict[str, str]:
    """Return what each pinned picture is now, by its file's name."""
    found = {f"{name}.txt": picture(timeline_of(name)) for name in PINNED}
    found["restore-after-a-month.ascii.txt"] = picture(timeline_of("restore-after-a-month"), ascii=True)
    return {name: f"{text}\n" for name, text in found.items()}


if __name__ == "__main__":
    for file, text in pinned().items():
        (PICTURES / file).write_text(text, encoding="utf-8")
