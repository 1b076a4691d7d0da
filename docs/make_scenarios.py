"""Writes docs/scenarios.md from the catalogue and the model; tests/docs compares the page with what this makes.

Run it after a change of the catalogue: ``python docs/make_scenarios.py``.
"""

from pathlib import Path

from pytest_hvclock import Guest, Host
from pytest_hvclock.disciplines.base import Discipline
from pytest_hvclock.plugin.markers import split
from pytest_hvclock.scenarios import SCENARIOS, Scenario
from pytest_hvclock.units import duration_text, error_text, seconds_text

PAGE = Path(__file__).parent / "scenarios.md"
SETS_SHOWN = 3
HEAD = """\
# Scenarios

<!-- Written by docs/make_scenarios.py from the catalogue: change src/pytest_hvclock/scenarios.py, and run it. -->

Each is a name for the `hvclock` marker and for `--hvclock`. Names joined by a plus happen one after the other:
`--hvclock=drift-500ppm+azure-pause-28s`. The errors below are what the model gives for a guest whose host starts at
2026-01-01T00:00:00Z; *ahead* and *behind* are the guest's wall clock against true time.
"""


def page() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *map(section, SCENARIOS.values())])


def section(scenario: Scenario) -> str:
    """Describe one scenario: its data, and what the model makes of it."""
    lines = [f"## {scenario.name}", "", scenario.summary, scenario.effect, ""]
    if scenario.settings:
        settings = [f"`{name}={_value(value)}`" for name, value in scenario.settings.items()]
        lines.append(f"* Conditions: {', '.join(settings)}")
    if scenario.before:
        lines.append(f"* Before the test: {', '.join(f'`{anomaly!r}`' for anomaly in scenario.before)}")
    if scenario.anomalies:
        lines.append(f"* Strikes: {', '.join(f'`{anomaly!r}`' for anomaly in scenario.anomalies)}")
    lines += [*outcome(scenario), f"* Source: {scenario.source}.", ""]
    return "\n".join(lines)


def outcome(scenario: Scenario) -> list[str]:
    """Let the scenario happen to a guest, and say what its wall clock did."""
    guest = _guest(scenario)
    for anomaly in scenario.before:
        anomaly.strike(guest)
    logged = len(guest.clock_sets)
    if scenario.anomalies:
        scenario.strike(guest)
    struck_ns, at_once = guest.host.true_ns, error_text(guest.error_ns)
    guest.advance("1 h")
    lines = [f"* The guest is {at_once} at first, and {error_text(guest.error_ns)} an hour later"]
    sets = guest.clock_sets[logged:]
    for entry in sets[:SETS_SHOWN]:
        when = f"{seconds_text(entry.at_ns - struck_ns)} {'after' if entry.at_ns >= struck_ns else 'before'}"
        way = "forward" if entry.by_ns >= 0 else "back"
        again = f", {entry.times} times every {duration_text(entry.every_ns)}" if entry.times > 1 else ""
        lines.append(f"    * {entry.by} sets it {seconds_text(entry.by_ns)} {way}, {when} the strike{again}")
    if len(sets) > SETS_SHOWN:
        lines.append("    * and so on")
    return lines


def _guest(scenario: Scenario) -> Guest:
    conditions = split(dict(scenario.settings))
    return Host(**{"start": "2026-01-01T00:00:00Z", **conditions.host}).guest(**conditions.guest)


def _value(value: object) -> str:
    if isinstance(value, Discipline):  # those of disciplines.peers, as they come
        return f"{type(value).__name__}()"
    if not callable(value):
        return repr(value)
    name = getattr(value, "__name__", "")
    return "a function of host.load" if not name or name.startswith(("_", "<")) else name


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
