"""The catalogue: named histories of a guest, each with its numbers and where they come from."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pytest_hvclock.anomalies import (
    Advance,
    Anomaly,
    ApplyCheckpoint,
    Boot,
    Drift,
    Load,
    Migrate,
    Pause,
    Restore,
    Step,
    TakeCheckpoint,
    Train,
)
from pytest_hvclock.disciplines.peers import VirtualServer2005, VmwareTools
from pytest_hvclock.drifts import Periodic, RandomWalk, load_curve

if TYPE_CHECKING:
    from pytest_hvclock.model.guest import Guest

MICROSOFT_LINUX = "Microsoft Learn, Time sync for Linux VMs in Azure"
MICROSOFT_MAINTENANCE = "Microsoft Learn, Maintenance for virtual machines in Azure"
MICROSOFT_WINDOWS = "Microsoft Learn, Time sync for Windows VMs in Azure"
ARMSTRONG = "B. Armstrong, Time Synchronization in Hyper-V, 2010-11-19"
W32TIME = "Microsoft Learn, Windows Time service tools and settings"
LOCAL_CLOCK = "OpenVMM, openhcl/underhill_core/src/emuplat/local_clock.rs"


HOST_SETTINGS = {"start": "start", "host_zone": "zone", "host_error": "error"}
"""What scenarios and markers call the keyword arguments of ``Host``."""


@dataclass(frozen=True, repr=False)
class Scenario:
    """A named list of anomalies with the conditions under which they strike."""

    name: str
    """Kebab-case, a fact."""
    summary: str
    """What happens to the guest, in one sentence."""
    effect: str
    """What that does to an application."""
    source: str
    """Where the numbers come from."""
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """The standing conditions: settings of the ``hvclock`` marker."""
    before: tuple[Anomaly, ...] = ()
    """What has happened before the code under test begins."""
    anomalies: tuple[Anomaly, ...] = ()
    """What strikes; none means that the standing conditions are all there is."""

    def strike(self, guest: Guest) -> None:
        """Let every anomaly happen, in order."""
        for anomaly in self.anomalies:
            anomaly.strike(guest)

    def guest(self, **settings: Any) -> Guest:
        """Return a guest under this scenario, on a host of its own: what comes before has happened, the rest is armed.

        ``guest.strike()`` lets it happen, if there is more than standing conditions.

        Args:
            settings: of the guest and, as the marker has them, of its host; they win over the scenario's.
        """
        from pytest_hvclock.model.host import Host

        guest_settings = {**self.settings, **settings}
        host_settings = {name: guest_settings.pop(key) for key, name in HOST_SETTINGS.items() if key in guest_settings}
        guest = Host(**host_settings).guest(**guest_settings)
        for anomaly in self.before:
            anomaly.strike(guest)
        guest.arm(self)
        return guest

    def __repr__(self) -> str:
        """Write the expression that makes an equal scenario: by its name, if it has that from the catalogue."""
        parts = self.name.split("+")
        if all(part in SCENARIOS for part in parts) and scenario_named(self.name) == self:
            return f"scenario_named({self.name!r})"
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        given["settings"] = dict(self.settings)
        return f"Scenario({', '.join(f'{name}={value!r}' for name, value in given.items())})"


_CATALOGUE = (
    Scenario(
        name="drift-500ppm",
        summary="The guest's clock runs 500 ppm fast, 43.2 s a day, and nothing corrects it.",
        effect="Durations are too long by 0.05 %; timestamps walk away from everybody else's.",
        source="NTP FAQ: 500 ppm is the most that the kernel and ntpd correct",
        settings={"drift": "+500 ppm"},
    ),
    Scenario(
        name="drift-500ppm-slow",
        summary="The guest's clock runs 500 ppm slow, 43.2 s a day, and nothing corrects it.",
        effect="Durations are too short by 0.05 %; tokens and certificates of others are not valid yet.",
        source="NTP FAQ: 500 ppm is the most that the kernel and ntpd correct",
        settings={"drift": "-500 ppm"},
    ),
    Scenario(
        name="drift-median-oscillator",
        summary="The guest's clock runs 78 ppm fast, 6.74 s a day, as half of all free-running machines do or worse.",
        effect="Nothing for hours; after a week a minute, and signatures with a narrow window begin to fail.",
        source="Mills, Computer Network Time Synchronization: a survey of some 20,000 hosts",
        settings={"drift": "+78 ppm"},
    ),
    Scenario(
        name="drift-under-load",
        summary=(
            "The guest's clock falls behind the more, the busier the host is; the host becomes busy with 7 neighbours."
        ),
        effect="Timestamps fall behind by minutes an hour while nothing in the guest has changed.",
        source=f"{ARMSTRONG}: drift grows with the load; the curve is fitted to recorded guests of this project",
        settings={"drift": load_curve},
        anomalies=(Load(7),),
    ),
    Scenario(
        name="tick-counting-fast-25pct",
        summary="A guest that counts timer ticks gains a quarter; its additions set it back once it is 10 s ahead.",
        effect="Timeouts fire at four fifths of their time; the wall clock jumps back again and again.",
        source="Microsoft KB918461 and KB887727 (Virtual Server 2005)",
        settings={"drift": "25 %", "timesync": VirtualServer2005()},
    ),
    Scenario(
        name="virtual-server-2005-ten-seconds",
        summary="The additions of Virtual Server 2005 look every 15 s: 9.9 s behind are left, 10.1 s are set right.",
        effect="Ten seconds of old time are usual, for good.",
        source="Microsoft KB887727",
        settings={"timesync": VirtualServer2005()},
        anomalies=(Step("-9.9 s"), Advance("1 min"), Step("-0.2 s")),
    ),
    Scenario(
        name="frozen-clock",
        summary="The guest boots on a clocksource that stands still, and so do all clocks that it makes from it.",
        effect="Nothing that waits for a clock ever ends.",
        source="microsoft/WSL#40783",
        settings={"drift": "-100 %", "timesync": "off"},
    ),
    Scenario(
        name="restore-after-a-month",
        summary="The guest is saved, and restored 30 days later; SYNC sets its clock a second after that.",
        effect="For a second everything is a month old; then timers, leases and caches see a month pass at once.",
        source=f"{ARMSTRONG}: problem 2; {MICROSOFT_LINUX}",
        anomalies=(Restore("30 d"),),
    ),
    Scenario(
        name="restore-after-a-month-uncorrected",
        summary="The guest is saved, and restored 30 days later, with the time synchronization service unticked.",
        effect="The guest is a month behind for good: certificates, tokens and peers disagree with it.",
        source=f"{ARMSTRONG}: problem 2; Microsoft Learn, Virtualizing domain controllers",
        settings={"timesync": "off"},
        anomalies=(Restore("30 d"),),
    ),
    Scenario(
        name="windows-restore-after-a-month",
        summary="A Windows guest is saved, and restored 30 days later; the service sets it forward, once.",
        effect="As restore-after-a-month, with a service that would never have set the clock back.",
        source=f"{ARMSTRONG}: problem 2; {MICROSOFT_WINDOWS}",
        settings={"os": "windows", "timesync": "windows"},
        anomalies=(Restore("30 d"),),
    ),
    Scenario(
        name="docker-friday-to-monday",
        summary="A container host is saved on Friday and restored 60 h later; nothing corrects it.",
        effect="Builds, tokens and logs are of last week.",
        source="docker/for-win#293",
        settings={"timesync": "off"},
        anomalies=(Restore("60 h"),),
    ),
    Scenario(
        name="checkpoint-seen-from-outside",
        summary="A checkpoint taken an hour ago is applied; whoever was not rewound sees the guest's time go back.",
        effect="A database, a peer or a log reader meets timestamps and identifiers that it has seen before.",
        source="Microsoft Learn, Checkpoints; VM-Generation-ID",
        before=(TakeCheckpoint(), Advance("1 h")),
        anomalies=(ApplyCheckpoint(),),
    ),
    Scenario(
        name="boot-linux-on-a-tokyo-host",
        summary="A Linux guest takes the host's local time for UTC: it boots 9 h ahead, and is set back 2.5 s later.",
        effect="What is stamped while booting lies in the future for nine hours; the correction goes backward.",
        source=f"{LOCAL_CLOCK}; Linux drivers/hv/hv_util.c",
        settings={"os": "linux", "host_zone": "Asia/Tokyo"},
        anomalies=(Boot(),),
    ),
    Scenario(
        name="boot-linux-on-a-helsinki-host",
        summary="A Linux guest takes the host's local time for UTC: it boots 2 h or 3 h ahead until the first SYNC.",
        effect="As on a Tokyo host; how far depends on the season.",
        source=f"{LOCAL_CLOCK}; Linux drivers/hv/hv_util.c",
        settings={"os": "linux", "host_zone": "Europe/Helsinki"},
        anomalies=(Boot(),),
    ),
    Scenario(
        name="boot-linux-on-a-los-angeles-host",
        summary="A Linux guest takes the host's local time for UTC: it boots 7 h or 8 h behind until the first SYNC.",
        effect="Tokens just issued elsewhere are not valid yet; then hours pass at once.",
        source=f"{LOCAL_CLOCK}; a recorded guest of this project's tests",
        settings={"os": "linux", "host_zone": "America/Los_Angeles"},
        anomalies=(Boot(),),
    ),
    Scenario(
        name="boot-windows-in-another-zone",
        summary="A Windows guest in Berlin boots on a host in New York: 6 h behind until its first set.",
        effect="As the Linux boots; a guest in its host's own zone would not have noticed.",
        source=f"{ARMSTRONG}: problem 3",
        settings={"os": "windows", "timesync": "windows", "zone": "Europe/Berlin", "host_zone": "America/New_York"},
        anomalies=(Boot(),),
    ),
    Scenario(
        name="boot-linux-legacy",
        summary=(
            "A Linux guest before 4.10 boots on a Tokyo host, drifts, and is set at each of the first 50 samples."
        ),
        effect="The clock is set every five seconds for four minutes, and then never again.",
        source="Linux drivers/hv/hv_util.c before 4.10",
        settings={"os": "linux", "timesync": "linux-legacy", "host_zone": "Asia/Tokyo", "drift": "+200 ppm"},
        anomalies=(Boot(),),
    ),
    Scenario(
        name="linux-4-10-sets-every-sample",
        summary="A Linux guest of 4.10 whose drift swings by 200 ppm is set at every sample, back and forward.",
        effect="The wall clock jumps by up to a millisecond every five seconds, for ever, and logs say so each time.",
        source="Linux commit 3716a49a81ba; the drift is a choice",
        settings={
            "os": "linux",
            "timesync": "linux-4.10",
            "drift": Periodic(amplitude="200 ppm", period="10 min", every="5 s"),
        },
    ),
    Scenario(
        name="freebsd-sets-at-100ms",
        summary="A FreeBSD guest with 500 ppm of drift is set back whenever it is more than 100 ms ahead.",
        effect="The wall clock goes back a tenth of a second every few minutes.",
        source="FreeBSD sys/dev/hyperv/utilities/hv_timesync.c",
        settings={"timesync": "freebsd", "drift": "+500 ppm"},
    ),
    Scenario(
        name="azure-pause-28s",
        summary="Host maintenance that preserves memory suspends the guest for 28 s; SYNC follows a second later.",
        effect="28 s are missing from every monotonic duration; the wall clock jumps over them.",
        source=f"{MICROSOFT_LINUX}: its own example",
        anomalies=(Pause("28 s"),),
    ),
    Scenario(
        name="azure-pause-9s",
        summary="Host maintenance suspends the guest for 9 s, the usual length of a memory-preserving update.",
        effect="Heartbeats and short leases run out unnoticed.",
        source=f"{MICROSOFT_MAINTENANCE}: almost always under 10 s",
        anomalies=(Pause("9 s"),),
    ),
    Scenario(
        name="azure-pause-30s",
        summary="Host maintenance suspends the guest for 30 s, the rare long memory-preserving update.",
        effect="Most session and leader-election timeouts run out unnoticed.",
        source=f"{MICROSOFT_MAINTENANCE}: about 30 s, rarely",
        anomalies=(Pause("30 s"),),
    ),
    Scenario(
        name="azure-live-migration",
        summary="The guest is moved to another host, with a blackout of 5 s.",
        effect="As a pause of 5 s: short timeouts and heartbeats are late.",
        source=MICROSOFT_MAINTENANCE,
        anomalies=(Migrate("5 s"),),
    ),
    Scenario(
        name="azure-chrony",
        summary="An Azure guest with chrony on the PTP device as recommended is suspended for 28 s.",
        effect="The clock is set by SYNC or by chrony, whoever is first; smaller errors are slewed away.",
        source=MICROSOFT_LINUX,
        settings={"timesync": "chrony", "drift": "+78 ppm"},
        anomalies=(Pause("28 s"),),
    ),
    Scenario(
        name="wsl2-sleep-without-sync",
        summary="A laptop sleeps for 445 s and sends no SYNC on waking: the WSL2 guest stays behind for good.",
        effect="Everything that compares the guest's time with another machine's is wrong from then on.",
        source="microsoft/WSL#10006",
        anomalies=(Pause("445 s", sync=False),),
    ),
    Scenario(
        name="wsl2-sleep-overnight",
        summary="A laptop sleeps for 53,555 s and sends no SYNC on waking: the WSL2 guest is 14 h 52 min behind.",
        effect="Package signatures are from the future, builds think that nothing has changed.",
        source="microsoft/WSL#4179",
        anomalies=(Pause("53555 s", sync=False),),
    ),
    Scenario(
        name="wsl2-sleep-with-implicit-sync",
        summary=(
            "A laptop sleeps twice without SYNC: 1.48 s stay unnoticed, at 632.37 s timesync_implicit sets the guest."
        ),
        effect="Up to five seconds of old time, then ten minutes pass at once.",
        source="microsoft/WSL#10006; Linux commit adf47524b56a",
        settings={"timesync": "linux-implicit"},
        anomalies=(Pause("1.48 s", sync=False), Advance("10 s"), Pause("630.89 s", sync=False)),
    ),
    Scenario(
        name="wsl2-sleep-series",
        summary="A laptop sleeps five times, from 0.661 s to 42,088 s, and the guest is set forward after each.",
        effect="Five steps forward, with little time to recover between them.",
        source="a published measurement of 72,402 readings in one WSL2 guest",
        anomalies=tuple(
            anomaly
            for gap in ("0.661 s", "94.312 s", "1699.598 s", "6371.122 s", "42088.129 s")
            for anomaly in (Pause(gap), Advance("1 min"))
        ),
    ),
    Scenario(
        name="wsl2-pause-train",
        summary="The host suspends the guest for 3.5 s every 33.5 s, ten times, without SYNC.",
        effect="Every timeout that spans a gap is late by it, and the guest falls behind by a tenth.",
        source="microsoft/WSL#40745",
        anomalies=(Train(Pause("3.5 s", sync=False), times=10, every="33.5 s"),),
    ),
    Scenario(
        name="wsl2-pause-train-measured",
        summary=(
            "The host suspends the guest for 0.39 s five times, in bursts 30 s apart, and sets it right each time: "
            "75.098 s of monotonic are 77.040 s."
        ),
        effect="Wall and monotonic durations of the same thing differ by 2.6 %.",
        source="microsoft/WSL#40745: 75.098 s of monotonic in 77.040 s of wall, sets of 356 ms to 409 ms 30 s apart",
        settings={"sync_after_resume": "100 ms"},
        anomalies=(
            Train(Pause("388 ms"), times=3, every="30 s"),
            Advance("2 s"),
            Train(Pause("389 ms"), times=2, every="30 s"),
        ),
    ),
    Scenario(
        name="wsl2-fast-7pct",
        summary="Every clocksource of the guest runs 7 % fast, and systemd-timesyncd sets it back.",
        effect="Timeouts are too short by 7 %; the wall clock goes back two seconds every half minute.",
        source="microsoft/WSL#11790",
        settings={"timesync": "timesyncd", "drift": "7 %"},
    ),
    Scenario(
        name="wsl2-chrony-74443ppm",
        summary="The guest runs 74,443 ppm fast and is 3.98 s ahead; chrony fights it.",
        effect="The clock is stepped again and again, faster than any slew could follow.",
        source="microsoft/WSL#8204",
        settings={"timesync": "chrony", "drift": "+74443 ppm"},
        anomalies=(Step("3.98 s"),),
    ),
    Scenario(
        name="wsl2-timesyncd-fight",
        summary=(
            "The guest runs 14,531 ppm fast, then 18,188 ppm, and systemd-timesyncd sets it back every 32 s: "
            "by 0.465 s, then by 0.582 s."
        ),
        effect="Order by timestamp is lost twice a minute.",
        source="a published WSL2 log: -0.465 s and -0.582 s, 32 s apart; systemd timesyncd-manager.c",
        settings={"timesync": "timesyncd", "drift": "+14531.25 ppm"},
        anomalies=(Advance("32 s"), Drift("+18187.5 ppm")),
    ),
    Scenario(
        name="wsl2-residual-tick",
        summary="A stopped daemon leaves the kernel 26,700 ppm fast for 30 s more, then it runs true.",
        effect="A duration measured across the end of it is neither one nor the other.",
        source="a published review of WSL2 time synchronization",
        anomalies=(Drift("+26700 ppm"), Advance("30 s"), Drift("-0.4 ppm")),
    ),
    Scenario(
        name="dc-ping-pong",
        summary="A Windows guest takes its time from a host that is 2 s ahead, and from NTP; both set its clock.",
        effect="The wall clock alternates between two times; monotonic knows nothing of it.",
        source=f"Microsoft support, RDP and Kerberos time skew in Hyper-V guests; {W32TIME} (stand-alone)",
        settings={"os": "windows", "timesync": "w32time-standalone+ntp", "host_error": "2 s"},
    ),
    Scenario(
        name="linux-4-10-ping-pong",
        summary="A Linux guest of 4.10 is set by its host, 2 s ahead, every 5 s, and by NTP every 64 s.",
        effect="The wall clock goes back two seconds about once a minute; NTP never converges.",
        source="Linux commit 3716a49a81ba; the difference is a choice",
        settings={"os": "linux", "timesync": "linux-4.10+ntp", "host_error": "2 s"},
    ),
    Scenario(
        name="w32time-2016-one-second-behind",
        summary=(
            "A member of Windows Server 2016 is 1 s behind and slews: 62,500 ppm fast at first, gone in a minute."
        ),
        effect="No step, but wall durations are up to 6 % too long for a minute.",
        source=W32TIME,
        settings={"os": "windows", "timesync": "w32time-2016"},
        anomalies=(Step("-1 s"),),
    ),
    Scenario(
        name="w32time-2012r2-three-minutes-behind",
        summary=(
            "A member of Windows Server 2012 R2 is 3 min behind, and slews it away over a quarter of an hour and more."
        ),
        effect="Kerberos still works; wall durations are a third too long while it lasts.",
        source=W32TIME,
        settings={"os": "windows", "timesync": "w32time-2012r2"},
        anomalies=(Step("-3 min"),),
    ),
    Scenario(
        name="w32time-standalone-one-second-off",
        summary="A stand-alone Windows guest is 1.01 s ahead, just more than it may slew.",
        effect="Once believed, the clock goes back by a second at once.",
        source=W32TIME,
        settings={"os": "windows", "timesync": "w32time-standalone"},
        anomalies=(Step("1.01 s"),),
    ),
    Scenario(
        name="w32time-dc-two-days-off",
        summary="A domain controller is 172,801 s ahead, one second more than it will ever correct.",
        effect="Nothing happens but an event in the log; clients with the right time are refused.",
        source=W32TIME,
        settings={"os": "windows", "timesync": "w32time-dc"},
        anomalies=(Step("172801 s"),),
    ),
    Scenario(
        name="w32time-high-accuracy",
        summary="A Windows guest with the high accuracy settings and 78 ppm of drift follows its host closely.",
        effect="Wall durations differ from QPC by what the slew corrects, and by nothing else.",
        source="Microsoft Learn, Configuring systems for high accuracy",
        settings={"os": "windows", "timesync": "w32time-high-accuracy", "drift": "+78 ppm"},
    ),
    Scenario(
        name="w32time-accurate-time-2016",
        summary="A guest of Windows Server 2016 stays within tens of microseconds of its host, as Microsoft measured.",
        effect="None that an application should notice: the control among the scenarios.",
        source="Microsoft Learn, Windows Server 2016 accurate time: 10 us, 50 us RMS at 75 % load",
        settings={"os": "windows", "timesync": "w32time-2016", "drift": RandomWalk(step="1 ppm", limit="2.5 ppm")},
    ),
    Scenario(
        name="vmware-tools-one-minute",
        summary="A guest under another hypervisor's tools: each minute set forward if over 1 s behind, else slewed.",
        effect="As Hyper-V, but slower to notice: up to a minute of old time after a restore.",
        source="open-vm-tools, services/plugins/timeSync/timeSync.c",
        settings={"timesync": VmwareTools(), "drift": "+78 ppm"},
        anomalies=(Restore("30 d"),),
    ),
    Scenario(
        name="openvmm-acceptance",
        summary="A guest that is 40,000 s in the past is restored, and has to be within 10 s of true time after 30 s.",
        effect="The test that the service itself is held to.",
        source="OpenVMM, vmm_tests/tests/tests/multiarch/ic.rs",
        anomalies=(Step("-40000 s"), Restore(0)),
    ),
)

SCENARIOS: dict[str, Scenario] = {scenario.name: scenario for scenario in _CATALOGUE}
"""Every scenario by its name."""


def scenario_named(name: str) -> Scenario:
    """Return a scenario of the catalogue, or several joined by a plus as one.

    Raises:
        ValueError: for a name that is not in it, with what may have been meant, and for two that want the same
            setting to be different.
    """
    if name in SCENARIOS:
        return SCENARIOS[name]
    if isinstance(name, str) and "+" in name:
        return functools.reduce(_composed, [scenario_named(part.strip()) for part in name.split("+")])
    close = difflib.get_close_matches(str(name), SCENARIOS, n=1)
    hint = f"did you mean {close[0]!r}?" if close else "pytest --hvclock-scenarios lists them"
    raise ValueError(f"unknown scenario {name!r}: {hint}")


def _composed(first: Scenario, second: Scenario) -> Scenario:
    """Return the scenario in which both happen, one after the other, under the conditions of both."""
    for setting in first.settings.keys() & second.settings.keys():
        if first.settings[setting] != second.settings[setting]:
            raise ValueError(f"{first.name} and {second.name} do not go together: both have a {setting} of their own")
    return Scenario(
        name=f"{first.name}+{second.name}",
        summary=f"{first.summary} {second.summary}",
        effect=f"{first.effect} {second.effect}",
        source=f"{first.source}; {second.source}",
        settings={**first.settings, **second.settings},
        before=first.before + second.before,
        anomalies=first.anomalies + second.anomalies,
    )


def catalogue() -> str:
    """Write the whole catalogue as text for people."""
    entries = [
        "\n".join(
            [scenario.name, f"    {scenario.summary}", f"    {scenario.effect}", f"    Source: {scenario.source}."]
        )
        for scenario in SCENARIOS.values()
    ]
    return "\n\n".join(entries)
