"""The model against the recorded life of a real guest: the same verbs at the same times do the same to its clocks."""

from __future__ import annotations

import csv
import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pytest_hvclock import Host

TRACES = Path(__file__).parent / "traces"
TOLERANCE_NS = 300_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Replay:
    """One guest that is done to what was done to the real one, and asked what the real one was asked."""

    def __init__(self, zone, first_ns):
        self.host = Host(start=EPOCH + timedelta(microseconds=first_ns // 1000 - 1_000_000), zone=zone)
        self.guest = self.host.guest(timesync="off")
        self.guest.power_off()
        self.point = self.saved = None
        self.residue_ns = self.mono_at_boot_ns = None
        self.compared = 0

    def until(self, host_ns):
        self.host.advance(max(host_ns - self.host.true_ns, 0))

    def event(self, what):
        guest = self.guest
        if what == "power-on":
            guest.boot()
            self.residue_ns = None
        elif what in ("pause", "checkpoint"):
            guest.pause()
        elif what in ("resume", "checkpoint-done"):
            if what == "checkpoint-done":
                self.point = guest.checkpoint()
            guest.resume()
        elif what == "apply-checkpoint-done":
            guest.apply(self.point, view="outside")
        elif what == "save":
            self.saved = guest.save()
        elif what == "restored":
            guest.restore(self.saved)
        elif what == "power-off":
            guest.power_off()

    def read(self, row):
        """Compare one reading; the first after a boot says when in the RTC's second the kernel read it."""
        guest = self.guest
        error_ns = int(row["wall_ns"]) - int(row["host_ns"])
        if self.residue_ns is None:
            self.residue_ns = error_ns - guest.error_ns
            self.mono_at_boot_ns = int(row["monotonic_ns"]) - guest.monotonic_ns
            assert abs(self.residue_ns) < 1_000_000_000, "the RTC has whole seconds, and its kernel read it late"
        assert abs(guest.error_ns + self.residue_ns - error_ns) < TOLERANCE_NS, row
        for column, reading in (
            ("monotonic_ns", guest.monotonic_ns),
            ("boottime_ns", guest.boottime_ns),
        ):
            assert abs(reading + self.mono_at_boot_ns - int(row[column])) < TOLERANCE_NS, (column, row)
        rtc_s = (guest.rtc.replace(tzinfo=UTC) - EPOCH) // timedelta(seconds=1)
        assert rtc_s - 1 <= int(row["rtc_s"]) <= rtc_s, (rtc_s, row)
        self.compared += 1


@pytest.mark.parametrize(("trace", "zone"), [("life-utc", "UTC"), ("life-los-angeles", "America/Los_Angeles")])
def test_a_real_guest_replays(trace, zone):
    """Errors, rewinds and counters agree within 0.3 s over the whole life, and the RTC within its own second.

    A kernel needs a moment from power-on to its reading of the RTC, and the RTC shows whole seconds, so a boot leaves
    a residue of less than a second that no model can know. It is taken from the first reading after each boot; from
    there on everything has to follow from the verbs alone. The RTC of the emulator begins its seconds at power-on, so
    for part of each second it shows the one before.
    """
    with (TRACES / f"{trace}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    replay = Replay(zone, int(rows[0]["host_ns"]))
    frozen = False
    for row in rows:
        what = row["what"]
        if what != "read":
            frozen = what in ("pause", "checkpoint", "apply-checkpoint", "save", "saved", "restore", "power-off")
            replay.until(int(row["host_ns"]))
            replay.event(what)
        elif not frozen:  # a line that was still on its way when the guest was stopped
            replay.until(int(row["host_ns"]))
            replay.read(row)
    assert replay.compared > 60


@pytest.mark.parametrize(("trace", "behind_s"), [("life-utc", 0), ("life-los-angeles", 28_800)])
def test_the_recording_shows_the_three_problems(trace, behind_s):
    """The boot on the wrong side of the world, the rewind of memory and counters, and the restore that is late."""
    with (TRACES / f"{trace}.csv").open(newline="") as file:
        reads = [row for row in csv.DictReader(file) if row["what"] == "read"]
    errors_s = [(int(row["wall_ns"]) - int(row["host_ns"])) / 1e9 for row in reads]
    assert -behind_s - 1 < errors_s[0] <= -behind_s + 0.3
    assert min(errors_s) < errors_s[0] - 30
    rewound = [(a, b) for a, b in itertools.pairwise(reads) if int(b["n"]) < int(a["n"])]
    assert [int(b["monotonic_ns"]) < int(a["monotonic_ns"]) for a, b in rewound] == [True, True]
