"""The catalogue: named histories of a guest, each with its numbers and where they come from."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pytest_hvclock.anomalies import (
    Advance,
    Anomaly,
    ApplyCheckpoint,
    Boot,
    Load,
    Migrate,
    Pause,
    Restore,
    TakeCheckpoint,
)

if TYPE_CHECKING:
    from pytest_hvclock.model.guest import Guest

MICROSOFT_LINUX = "Microsoft Learn, Time sync for Linux VMs in Azure"
MICROSOFT_WINDOWS = "Microsoft Learn, Time sync for Windows VMs in Azure"
ARMSTRONG = "B. Armstrong, Time Synchronization in Hyper-V, 2010-11-19"
LOCAL_CLOCK = "OpenVMM, openhcl/underhill_core/src/emuplat/local_clock.rs"


@dataclass(frozen=True)
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


def _ppm_of_load(load: Fraction) -> Fraction:
    """Return a drift of 100 ppm behind for each whole processor's worth of load."""
    return -load * Fraction(100, 1_000_000)


_CATALOGUE = (
    Scenario(
        name="drift-500ppm",
        summary="The guest's clock runs 500 ppm fast, 43.2 s a day, and nothing corrects it.",
        effect="Durations are too long by 0.05 %; timestamps walk away from everybody else's.",
        source="NTP FAQ: 500 ppm is the most that the kernel and ntpd correct",
        settings={"drift": "+500 ppm"},
    ),
    Scenario(
        name="drift-under-load",
        summary="The guest's clock falls behind by 100 ppm for each busy processor; the host becomes busy with 7.",
        effect="The busier the host, the further timestamps fall behind, while nothing in the guest changes.",
        source=f"{ARMSTRONG}: drift grows with the host's load; the amount is a choice, none is published",
        settings={"drift": _ppm_of_load},
        anomalies=(Load(7),),
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
        effect="As restore-after-a-month, with a clock that the service would never have set back.",
        source=f"{ARMSTRONG}: problem 2; {MICROSOFT_WINDOWS}",
        settings={"os": "windows", "timesync": "windows"},
        anomalies=(Restore("30 d"),),
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
        name="azure-pause-28s",
        summary="Host maintenance that preserves memory suspends the guest for 28 s; SYNC follows a second later.",
        effect="28 s are missing from every monotonic duration; the wall clock jumps over them.",
        source=f"{MICROSOFT_LINUX}: its own example",
        anomalies=(Pause("28 s"),),
    ),
    Scenario(
        name="azure-live-migration",
        summary="The guest is moved to another host, with a blackout of 5 s.",
        effect="As a pause of 5 s: short timeouts and heartbeats are late.",
        source="Microsoft Learn, Maintenance for virtual machines in Azure",
        anomalies=(Migrate("5 s"),),
    ),
    Scenario(
        name="wsl2-sleep-without-sync",
        summary="A laptop sleeps for 445 s and sends no SYNC on waking: the WSL2 guest stays behind for good.",
        effect="Everything that compares the guest's time with another machine's is wrong from then on.",
        source="microsoft/WSL#10006",
        anomalies=(Pause("445 s", sync=False),),
    ),
    Scenario(
        name="wsl2-sleep-with-implicit-sync",
        summary="A laptop sleeps for 632.37 s without SYNC; timesync_implicit sets the WSL2 guest at the next sample.",
        effect="Up to five seconds of old time, then ten minutes pass at once.",
        source="microsoft/WSL#10006; Linux commit adf47524b56a",
        settings={"timesync": "linux-implicit"},
        anomalies=(Pause("632.37 s", sync=False),),
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
