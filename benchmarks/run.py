"""Every number that the kit promises, against its peers, in one run: ``python benchmarks/run.py``.

It prints the table, and keeps it with the machine that it ran on in ``benchmarks/results.json``; ``--page`` writes the
table of that file into ``docs/benchmarks.md``, which says how to read it. Names of rows limit a run to them, and
``--quick`` measures little: to see that everything runs, and for no more. Needs ``pip install --group benchmarks``.
"""

import argparse
import json
import re
import sys
from pathlib import Path

import costs
import exploring
import fast_forward
import recording

HERE = Path(__file__).parent
RESULTS, PAGE = HERE / "results.json", HERE.parent / "docs/benchmarks.md"
QUICK = {
    "drifts": fast_forward.DRIFTS[1:3],
    "disciplines": ["off", "linux"],
    "events": (100, 1_000),
    "rounds": 2,
    "shared": 2,
    "recorded": 20,
}
FULL = {
    "drifts": fast_forward.DRIFTS,
    "disciplines": fast_forward.ALL,
    "events": (1_000, 1_000_000),
    "rounds": 5,
    "shared": 48,
    "recorded": recording.MANY,
}


def ten_years(size):
    """Ten years of a guest, advanced and then read, for every discipline: a thousand times as fast as each message."""
    for timesync in size["disciplines"]:
        found = [fast_forward.ten_years(timesync, drift) for drift in size["drifts"]]
        assert all(equal for _, _, equal, _ in found), f"{timesync}: one stride reads otherwise than message by message"
        pairs = [(once_s * 1e9, whole_s * 1e9) for once_s, whole_s, _, _ in found]
        line = costs.figure(f"ten years, {timesync}", pairs, "message by message", at_least=fast_forward.WANTED_RATIO)
        yield line._replace(met=min(peer / kit for kit, peer in pairs) >= fast_forward.WANTED_RATIO)


def history(size):
    """An advance after a million events: at most 1.2 times what it costs after a thousand."""
    few, many = size["events"]
    found, _ = fast_forward.growing_history(size["events"])
    pairs = [(found[many] * 1e9, found[few] * 1e9)] * 2
    at_most = fast_forward.WANTED_GROWTH
    yield costs.figure(f"advance after {many:,} events", pairs, f"after {few:,}", at_most=at_most)


def explorer(size):
    """Exploring a small test: 500 injected runs a second on one core, and 1.8 times as many with two workers.

    Two workers share one run's start and its tests; what the cores are worth shows by two runs that share nothing.
    """
    rates, workers = exploring.measured(size["rounds"], size["shared"])
    yield costs.figure("an injected run", [(1e9 / rate, 2e6) for rate in rates], "the goal", at_most=1)
    what = f"exploring {size['shared']} tests by two workers"
    pairs = [(each.both * 1e9, each.alone * 1e9) for each in workers]
    yield costs.figure(what, pairs, "by one", at_least=1.8)
    pairs = [(each.both * 1e9, each.apart * 1e9) for each in workers]
    yield costs.figure(what, pairs, "sharing nothing", at_most=1.1)


def recorded(size):
    """Recording who reads a clock in 10,000 tests that pass: at most a twentieth more time."""
    tests = size["recorded"]
    at_most = recording.WANTED_RATIO
    yield costs.figure(f"each of {tests:,} tests, recorded", recording.pairs(tests), "not recorded", at_most=at_most)


def small_costs():
    """Let the rows of costs.py measure little."""
    costs.CALLS, costs.BATCHES, costs.ROUNDS, costs.MODULES = 50, 2, 2, 200
    costs.TESTS, costs.RUNS, costs.IMPORTS = 20, 2, 2


def rows(size):
    """Return what can be measured, by its name."""
    own = {row.__name__: row for row in (ten_years, history, explorer, recorded)}
    return {**costs.ROWS, **{name: lambda row=row: row(size) for name, row in own.items()}}


def table(results):
    """Return the figures as a table in Markdown, below the machine that they were measured on."""
    machine = ", ".join(f"{name} {value}" for name, value in results["machine"].items())
    lines = [f"Measured with {machine}.", ""]
    lines += ["| what | kit | peer | its cost | ratio | half of them | wanted | |", "|" + " --- |" * 8]
    for figure in results["figures"]:
        kit, peer = map(costs.written, (figure["cost_ns"], figure["peer_cost_ns"]))
        ratio, low, high = (costs.short(figure[name]) for name in ("ratio", "low", "high"))
        met = "met" if figure["met"] else "**not met**"
        what, wanted = figure["what"], figure["wanted"]
        lines.append(f"| {what} | {kit} | {figure['peer']} | {peer} | {ratio} | {low} to {high} | {wanted} | {met} |")
    return "\n".join([*lines, ""])


def page(results):
    """Return the page with the table of these results in it."""
    text = PAGE.read_text(encoding="utf-8")
    return re.sub(r"(?<=<!-- from here -->\n).*(?=<!-- to here -->)", lambda _: table(results), text, flags=re.DOTALL)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    names = rows(FULL)
    parser.add_argument("rows", nargs="*", choices=[*names, []], default=[], help=f"of {', '.join(names)}")
    parser.add_argument("--quick", action="store_true", help="measure little, to see that it runs")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help=f"where to keep it (default: {RESULTS.name}, if whole)"
    )
    parser.add_argument("--page", action="store_true", help="measure nothing, and write the table into the page")
    options = parser.parse_args()
    if options.page:
        PAGE.write_text(page(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")
        return 0
    if options.quick:
        small_costs()
    found = rows(QUICK if options.quick else FULL)
    whole = not (options.rows or options.quick)
    chosen = [found[name] for name in options.rows or found]
    figures = costs.measured(chosen, options.json or (RESULTS if whole else None))
    return 0 if options.quick else not all(figure.met for figure in figures)


if __name__ == "__main__":
    sys.exit(main())
