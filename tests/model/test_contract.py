"""What the verbs and readings of a host and its guests promise, sentence by sentence."""

import errno
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest

from pytest_hvclock import Host, StateError

MS = 1_000_000
S = 1_000_000_000
HOUR = 3_600 * S
DAY = 24 * HOUR
START = "2026-01-01T00:00:00Z"
START_NS = 1_767_225_600 * S


def linux(**settings):
    return Host(START).guest(**{"os": "linux", **settings})


def everything(guest):
    """Read every clock of a guest at once."""
    return (
        guest.wall_ns,
        guest.monotonic_ns,
        guest.monotonic_raw_ns,
        guest.boottime_ns,
        guest.reference_ticks,
        guest.error_ns,
        guest.rtc,
        guest.generation_id,
        list(guest.clock_sets),
    )


# --------------------------------------------------------------------------------------------------- created


def test_a_guest_is_created_running_in_sync_and_with_its_counters_at_zero():
    """Created means powered on, at true time exactly, in a first life that begins now."""
    guest = linux()
    assert guest.state.value == "running"
    assert guest.wall_ns == guest.host.true_ns == START_NS
    assert guest.error_ns == 0
    assert guest.monotonic_ns == guest.monotonic_raw_ns == guest.boottime_ns == guest.reference_ticks == 0
    assert guest.clock_sets == []
    assert guest.ptp_ns == START_NS


def test_the_first_sample_of_a_created_guest_comes_after_five_seconds_and_its_answer():
    """SYNC counts as done at creation, so the next message is a SAMPLE 5.01 s later, and no second SYNC."""
    guest = linux(timesync="linux-implicit")
    guest.step("-6 s")
    guest.advance(5_010 * MS - 1)
    assert guest.error_ns == -6 * S
    guest.advance(1)
    assert guest.error_ns == 0
    assert guest.clock_sets[-1].by == "SAMPLE"


def test_the_sample_period_and_the_time_of_the_answer_are_settings():
    """The next SAMPLE comes a period after the answer, whatever both are set to."""
    guest = linux(timesync="linux-implicit", sample_period="2 s", response_time="0.5 s")
    guest.step("-6 s")
    guest.advance(2_500 * MS - 1)
    assert guest.error_ns == -6 * S
    guest.advance(1)
    assert guest.error_ns == 0


def test_a_guest_in_sync_has_its_hosts_error():
    """A guest is created at what its host takes for true time."""
    guest = Host(START, error="250 ms").guest()
    assert guest.error_ns == 250 * MS


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"os": "plan9"}, ValueError, 'unknown os \'plan9\': use "linux" or "windows"'),
        (
            {"rtc": "gps"},
            ValueError,
            'unknown rtc \'gps\': use "utc" or "local", what the guest takes its RTC for',
        ),
        ({"drift": "200"}, ValueError, '\'200\' is not a rate: write a number and a unit, such as "+200 ppm" or "5 %"'),
        ({"timesync": 5}, TypeError, '5 is no timesync: write a name such as "linux", or a discipline'),
        (
            {"timesync": "linux+windows"},
            ValueError,
            "timesync='linux+windows': linux and windows would both answer the host; keep one of them",
        ),
        (
            {"timesync": "linux+off"},
            ValueError,
            "timesync='linux+off': off unticks the service that linux listens to; leave one of them out",
        ),
        ({"protocol": True}, ValueError, "unknown protocol True: time sync messages are of version 1, 3 or 4"),
        ({"coarse": "no"}, TypeError, "coarse is either True or False, and not 'no'"),
        ({"boottime_over_saves": 1}, TypeError, "boottime_over_saves is either True or False, and not 1"),
        ({"ptp_over_saves": None}, TypeError, "ptp_over_saves is either True or False, and not None"),
        ({"rtc_over_power_off": "yes"}, TypeError, "rtc_over_power_off is either True or False, and not 'yes'"),
        ({"protocol": 2}, ValueError, "unknown protocol 2: time sync messages are of version 1, 3 or 4"),
        (
            {"sync_after_boot": "-1 s"},
            ValueError,
            "sync_after_boot cannot be negative, and '-1 s' is: true time only goes forward",
        ),
        (
            {"sync_after_resume": "-1 s"},
            ValueError,
            "sync_after_resume cannot be negative, and '-1 s' is: true time only goes forward",
        ),
    ],
)
def test_a_wrong_setting_is_refused_and_leaves_no_guest_behind(settings, error, message):
    """A guest whose settings make no sense is not created."""
    host = Host(START)
    with pytest.raises(error) as refused:
        host.guest(**settings)
    assert str(refused.value) == message
    assert host.guests == ()


def test_an_unknown_timesync_is_refused_with_the_names_there_are():
    """The message lists what can be written, those of others included."""
    from pytest_hvclock.disciplines import DISCIPLINES

    with pytest.raises(ValueError, match="^unknown timesync 'sundial': use one of ") as refused:
        linux(timesync="sundial")
    for name in ("off", "partial", *DISCIPLINES):
        assert name in str(refused.value)


def test_the_operating_system_follows_from_the_time_sync_service_unless_said():
    """A guest that runs the Windows service is a Windows guest."""
    host = Host(START)
    assert host.guest(timesync="windows").os == "windows"
    assert host.guest(timesync="linux").os == "linux"
    assert host.guest().os == "linux"
    assert host.guest(timesync="off", os="windows").os == "windows"


# ------------------------------------------------------------------------------------------------------ boot


def test_boot_starts_the_wall_clock_at_the_rtcs_whole_second():
    """The error at boot is the zone's, plus what the RTC's whole second has lost."""
    guest = Host("2026-01-01T00:00:00.999999999Z", zone="Asia/Tokyo").guest()
    guest.power_off()
    guest.boot()
    assert guest.wall_ns == START_NS + 9 * HOUR
    assert guest.error_ns == 9 * HOUR - 999_999_999


@pytest.mark.parametrize("fraction", ["", ".000000001", ".5", ".999999999"])
def test_the_residue_of_the_rtcs_whole_second_is_at_most_a_second_and_never_ahead(fraction):
    """Without a zone between them a booted guest is in (-1 s, 0]."""
    guest = Host(f"2026-01-01T00:00:00{fraction}Z").guest()
    guest.power_off()
    guest.boot()
    assert -S < guest.error_ns <= 0


def test_the_first_sync_follows_two_and_a_half_seconds_after_boot():
    """Not before 2.5 s of true time, and then at once."""
    guest = Host(START, zone="Asia/Tokyo").guest()
    guest.power_off()
    guest.boot()
    guest.advance(2_500 * MS - 1)
    assert guest.error_ns == 9 * HOUR
    guest.advance(1)
    assert guest.error_ns == 0


def test_when_sync_follows_a_boot_and_a_resume_are_two_settings():
    """Both can be set, and neither stands for the other."""
    guest = Host(START, zone="Asia/Tokyo").guest(sync_after_boot="20 s", sync_after_resume="3 s")
    guest.power_off()
    guest.boot()
    guest.advance(20 * S - 1)
    assert guest.error_ns == 9 * HOUR
    guest.advance(1)
    assert guest.error_ns == 0
    guest.pause()
    guest.host.advance("1 h")
    guest.resume()
    guest.advance(3 * S - 1)
    assert guest.error_ns == -HOUR
    guest.advance(1)
    assert guest.error_ns == 0


def test_a_windows_guest_takes_its_first_set_after_boot_either_way():
    """The set at boot may go back; after that the service goes forward only."""
    guest = Host(START, zone="Asia/Tokyo").guest(os="windows", timesync="windows")
    guest.power_off()
    guest.boot()
    guest.advance("2.5 s")
    assert guest.error_ns == 0
    assert guest.clock_sets[-1].by_ns == -9 * HOUR
    guest.step("1 h")
    guest.pause()
    guest.resume()
    guest.advance("1 min")
    assert guest.error_ns == HOUR


@pytest.mark.parametrize(("rtc", "error_ns"), [("utc", 9 * HOUR), ("local", 0)])
@pytest.mark.parametrize("os", ["linux", "windows"])
def test_what_a_guest_takes_its_rtc_for_can_be_set(os, rtc, error_ns):
    """Either system can be told to take the RTC for UTC or for local time."""
    guest = Host(START, zone="Asia/Tokyo").guest(os=os, zone="Asia/Tokyo", rtc=rtc, timesync="off")
    guest.power_off()
    guest.boot()
    assert guest.error_ns == error_ns


def test_boot_begins_a_new_life_and_keeps_the_generation():
    """Counters begin at zero, the generation ID stays, and the log of sets goes on."""
    guest = linux()
    guest.step("5 s")
    guest.advance("1 h")
    generation = guest.generation_id
    guest.power_off()
    guest.host.advance("1 h")
    guest.boot()
    assert guest.monotonic_ns == guest.monotonic_raw_ns == guest.boottime_ns == guest.reference_ticks == 0
    assert guest.generation_id == generation
    assert [entry.by for entry in guest.clock_sets] == ["step"]


def test_a_guest_booted_in_the_hour_that_its_zone_repeats_is_right():
    """Windows and its host in one zone agree, in the second of the two hours as well."""
    host = Host("2026-11-01T09:30:00Z", zone="America/Los_Angeles")
    guest = host.guest(os="windows", zone="America/Los_Angeles", timesync="off")
    guest.power_off()
    guest.boot()
    assert guest.rtc == datetime(2026, 11, 1, 1, 30)
    assert guest.error_ns == 0


# ---------------------------------------------------------------------------------------------- new channels


def paused(guest):
    guest.pause()
    guest.host.advance("1 h")
    guest.resume()


def restored(guest):
    saved = guest.save()
    guest.host.advance("1 h")
    guest.restore(saved)


def saved_while_paused(guest):
    guest.pause()
    saved = guest.save()
    guest.host.advance("1 h")
    guest.restore(saved)


def applied(guest):
    point = guest.checkpoint()
    guest.host.advance("1 h")
    guest.apply(point, view="outside")


def migrated(guest):
    guest.migrate(blackout="1 h")


def switched_on(guest):
    guest.timesync = "off"
    guest.step("-1 h")
    guest.timesync = "linux"


@pytest.mark.parametrize("verb", [paused, restored, saved_while_paused, applied, migrated, switched_on])
def test_a_new_channel_brings_sync_one_second_later_and_never_at_once(verb):
    """Resume, restore, apply, migrate, and the service switched on: an hour behind for exactly one second."""
    guest = linux()
    guest.advance("1234567 us")
    verb(guest)
    assert guest.error_ns == -HOUR
    guest.advance(S - 1)
    assert guest.error_ns == -HOUR
    guest.advance(1)
    assert guest.error_ns == 0
    assert guest.clock_sets[-1].by == "SYNC"


@pytest.mark.parametrize("verb", ["resume", "restore"])
def test_a_host_that_opens_no_channel_sends_no_sync(verb):
    """With ``sync=False`` samples go on as if nothing had happened, and Linux stays behind."""
    guest = linux()
    if verb == "resume":
        guest.pause()
        guest.host.advance("445 s")
        guest.resume(sync=False)
    else:
        saved = guest.save()
        guest.host.advance("445 s")
        guest.restore(saved, sync=False)
    guest.advance("1 d")
    assert guest.error_ns == -445 * S
    assert guest.ptp_ns == guest.host.true_ns


def test_setting_timesync_to_an_unknown_name_leaves_the_old_one_at_work():
    """A refused setting changes nothing, not even the channel."""
    guest = linux(timesync="linux-implicit")
    guest.step("-6 s")
    with pytest.raises(ValueError, match="unknown timesync 'sundial'"):
        guest.timesync = "sundial"
    assert guest.timesync == "linux-implicit"
    guest.advance("5.01 s")
    assert [entry.by for entry in guest.clock_sets] == ["step", "SAMPLE"]


@pytest.mark.parametrize("state", ["running", "paused", "saved", "off"])
def test_drift_and_timesync_may_be_set_in_every_state(state):
    """They hold from then on, or from when the guest runs again."""
    guest = linux()
    saved = None
    if state == "paused":
        guest.pause()
    elif state == "saved":
        saved = guest.save()
    elif state == "off":
        guest.power_off()
    guest.drift = "+100 ppm"
    guest.timesync = "off"
    assert guest.state.value == state
    if state == "paused":
        guest.resume()
    elif state == "saved":
        guest.restore(saved)
    elif state == "off":
        guest.boot()
    guest.advance("10000 s")
    assert guest.error_ns == S


# ---------------------------------------------------------------------------------------------------- states

VERBS = {
    "step": lambda guest: guest.step("1 s"),
    "pause": lambda guest: guest.pause(),
    "resume": lambda guest: guest.resume(),
    "save": lambda guest: guest.save(),
    "restore": lambda guest: guest.restore(None),
    "checkpoint": lambda guest: guest.checkpoint(),
    "migrate": lambda guest: guest.migrate(),
    "power_off": lambda guest: guest.power_off(),
    "boot": lambda guest: guest.boot(),
    "write_rtc": lambda guest: guest.write_rtc(datetime(2026, 1, 1)),
    "hctosys": lambda guest: guest.hctosys(),
    "hibernate": lambda guest: guest.hibernate(),
}
ALLOWED = {
    "step": ["running"],
    "pause": ["running"],
    "resume": ["paused"],
    "save": ["running", "paused"],
    "restore": ["saved"],
    "checkpoint": ["running", "paused"],
    "migrate": ["running"],
    "power_off": ["running", "paused", "saved"],
    "boot": ["off"],
    "write_rtc": ["running"],
    "hctosys": ["running"],
    "hibernate": ["running"],
}
INTO = {
    "running": lambda _: None,
    "paused": lambda guest: guest.pause(),
    "saved": lambda guest: guest.save(),
    "off": lambda guest: guest.power_off(),
}


@pytest.mark.parametrize(
    ("verb", "state"), [(verb, state) for verb in VERBS for state in INTO if state not in ALLOWED[verb]]
)
def test_a_state_that_does_not_allow_a_verb_refuses_it_by_name_and_nothing_changes(verb, state):
    """The message names the verb, the state and the states that would do; clocks, RTC and state are untouched."""
    guest = linux()
    guest.advance("7 s")
    INTO[state](guest)
    before = guest.host.true_ns, guest.rtc, guest.generation_id, list(guest.clock_sets)
    with pytest.raises(StateError) as refused:
        VERBS[verb](guest)
    assert str(refused.value) == f"cannot {verb} a guest that is {state}: it has to be {' or '.join(ALLOWED[verb])}"
    assert guest.state.value == state
    assert (guest.host.true_ns, guest.rtc, guest.generation_id, list(guest.clock_sets)) == before


@pytest.mark.parametrize("state", ["paused", "saved"])
def test_the_readings_of_a_guest_that_does_not_run_stand_still(state):
    """An hour of true time passes, and none of it for the guest; only RTC and error see it."""
    guest = linux(drift="+123 ppm")
    guest.advance("7 s")
    INTO[state](guest)
    before = everything(guest)
    guest.host.advance("1 h")
    after = everything(guest)
    assert after[:5] == before[:5]
    assert after[5] == before[5] - HOUR
    assert after[6] == before[6] + timedelta(hours=1)
    assert after[7:] == before[7:]


@pytest.mark.parametrize(
    "reading",
    ["wall_ns", "monotonic_ns", "monotonic_raw_ns", "boottime_ns", "reference_ticks", "error_ns", "error", "ptp_ns"],
)
def test_of_a_guest_that_is_off_only_the_rtc_can_be_read(reading):
    """Every clock is refused with what to do, and the RTC goes on."""
    guest = linux()
    guest.power_off()
    guest.host.advance("90 s")
    with pytest.raises(StateError) as refused:
        getattr(guest, reading)
    assert str(refused.value) == "a guest that is off has no clock but its RTC: boot() it first, or read rtc"
    assert guest.rtc == datetime(2026, 1, 1, 0, 1, 30)
    assert repr(guest) == "<linux Guest off, timesync linux>"


def test_a_saved_state_is_restored_only_once():
    """The same saved state a second time is refused, while running and after the next save."""
    guest = linux()
    saved = guest.save()
    guest.restore(saved)
    with pytest.raises(StateError) as refused:
        guest.restore(saved)
    assert str(refused.value) == "cannot restore a guest that is running: it has to be saved"
    guest.save()
    with pytest.raises(StateError) as refused:
        guest.restore(saved)
    assert str(refused.value) == "cannot restore this saved state: it is not this guest's latest one"


def test_a_saved_state_of_another_guest_is_refused():
    """Each guest has its own latest saved state."""
    host = Host(START)
    one, other = host.guest(), host.guest()
    saved = one.save()
    mine = other.save()
    with pytest.raises(StateError, match="^cannot restore this saved state: it is not this guest's latest one$"):
        other.restore(saved)
    other.restore(mine)


def test_power_off_of_a_saved_guest_discards_the_saved_state():
    """After it there is nothing to restore."""
    guest = linux()
    saved = guest.save()
    guest.power_off()
    with pytest.raises(StateError, match="^cannot restore a guest that is off: it has to be saved$"):
        guest.restore(saved)
    guest.boot()
    guest.save()
    with pytest.raises(StateError, match="^cannot restore this saved state"):
        guest.restore(saved)


# ----------------------------------------------------------------------------------------------- checkpoints


@pytest.mark.parametrize("state", ["running", "paused", "saved", "off"])
@pytest.mark.parametrize("kind", ["standard", "production"])
def test_a_checkpoint_is_applied_in_any_state_and_leaves_the_guest_running(kind, state):
    """Applying needs no state of its own, and a saved state is gone afterwards."""
    guest = linux()
    guest.advance("60 s")
    point = guest.checkpoint(kind=kind)
    guest.advance("60 s")
    INTO[state](guest)
    guest.host.advance("60 s")
    guest.apply(point, view="outside")
    assert guest.state.value == "running"
    assert guest.monotonic_ns == (60 * S if kind == "standard" else 0)
    guest.advance("1 min")
    assert guest.error_ns == 0


def test_applying_changes_the_generation_id_each_time_and_nothing_else_does():
    """Pause, save, migration, hibernation and power cycles keep it; every apply makes a new one."""
    guest = linux()
    first = guest.generation_id
    point = guest.checkpoint()
    guest.pause()
    guest.resume()
    guest.restore(guest.save())
    guest.migrate()
    guest.hibernate("1 min")
    guest.power_off()
    guest.boot()
    guest.step("1 s")
    assert guest.generation_id == first
    seen = {first}
    for _ in range(3):
        guest.apply(point, view="outside")
        seen.add(guest.generation_id)
    assert len(seen) == 4


def test_an_applied_standard_checkpoint_takes_every_clock_of_the_guest_back():
    """Counters and wall clock are those of the checkpoint; true time, the RTC and the log of sets go on."""
    guest = linux(drift="+100 ppm", timesync="off")
    guest.advance("10 s")
    point = guest.checkpoint()
    before = everything(guest)
    guest.advance("100 s")
    guest.step("3 s")
    guest.apply(point, view="outside")
    after = everything(guest)
    assert after[:5] == before[:5]
    assert after[5] == before[5] - 100 * S
    assert after[6] == datetime(2026, 1, 1, 0, 1, 50)
    assert len(after[8]) == 1


def test_a_checkpoint_can_be_applied_any_number_of_times():
    """What happened after one application is not in the next."""
    guest = linux(timesync="off")
    point = guest.checkpoint()
    for _ in range(3):
        guest.advance("1 h")
        guest.step("1 h")
        guest.apply(point, view="outside")
        assert guest.wall_ns == START_NS
        assert guest.monotonic_ns == 0


def test_what_was_written_to_the_rtc_after_a_checkpoint_is_undone_by_it():
    """The RTC's offset is part of the virtual machine's state."""
    guest = linux()
    point = guest.checkpoint()
    guest.write_rtc(datetime(2030, 1, 1))
    guest.apply(point, view="outside")
    assert guest.rtc == datetime(2026, 1, 1)


def test_an_applied_checkpoint_takes_back_what_the_guests_driver_remembers():
    """Old Linux heeds 50 samples of a boot; those after the checkpoint have not happened when it is applied."""
    guest = linux(timesync="linux-legacy")
    guest.advance("50 s")
    point = guest.checkpoint()
    for _ in range(2):
        guest.advance("1 h")
        guest.step("3 s")
        guest.advance("1 min")
        assert guest.error_ns == 3 * S
        guest.apply(point, view="outside")
        guest.advance("1 min")
        guest.step("3 s")
        guest.advance("1 min")
        assert guest.error_ns == 0


def test_a_checkpoint_of_another_guest_is_refused():
    """A checkpoint belongs to the virtual machine it was taken of."""
    host = Host(START)
    one, other = host.guest(), host.guest()
    point = one.checkpoint()
    generation = other.generation_id
    with pytest.raises(StateError) as refused:
        other.apply(point, view="outside")
    assert str(refused.value) == "cannot apply this checkpoint: it was not taken of this guest"
    assert other.generation_id == generation


@pytest.mark.parametrize("view", [None, "sideways"])
def test_on_which_side_of_a_checkpoint_the_code_is_must_be_said(view):
    """A standard checkpoint is not applied before the caller has said who is rewound."""
    guest = linux()
    point = guest.checkpoint()
    with pytest.raises(ValueError, match="^say where") as refused:
        guest.apply(point, view=view)
    assert str(refused.value) == (
        'say where the code under test is: apply(point, view="outside") if it keeps its memory and sees the '
        'guest\'s time go back, view="inside" if it is rewound with the guest'
    )
    assert guest.generation_id == linux().generation_id


def test_the_view_from_inside_is_refused_with_what_shows_it():
    """This process cannot be rewound, so the message names the verbs that show what inside sees."""
    guest = linux()
    with pytest.raises(NotImplementedError) as refused:
        guest.apply(guest.checkpoint(), view="inside")
    assert str(refused.value) == (
        'view="inside" needs the memory of this process to be rewound together with the guest. What code '
        "inside sees is a forward step later on, and save() with restore() shows exactly that"
    )


def test_a_production_checkpoint_has_no_memory_so_no_side_need_be_said():
    """Applying it is a cold boot for everybody."""
    guest = linux()
    guest.advance("1 h")
    guest.apply(guest.checkpoint(kind="production"))
    assert guest.monotonic_ns == 0


def test_an_unknown_kind_of_checkpoint_is_refused():
    """There are two kinds."""
    with pytest.raises(ValueError, match="unknown kind") as refused:
        linux().checkpoint(kind="backup")
    assert str(refused.value) == 'unknown kind of checkpoint \'backup\': use "standard" or "production"'


# ---------------------------------------------------------------------------------- readings, drift and load


def test_readings_are_pure():
    """Reading twice gives the same answer, and no reading moves a clock."""
    guest = linux(drift="+77.7 ppm")
    guest.advance("12345678901 ns")
    assert everything(guest) == everything(guest)
    assert guest.error == guest.error
    assert guest.host.true_ns == START_NS + 12_345_678_901


def test_drift_is_in_every_clock_but_the_reference_counter():
    """RAW, MONOTONIC, BOOTTIME and the wall have the clocksource's drift; the reference counter has not."""
    guest = linux(drift="+200 ppm")
    guest.advance("10000 s")
    assert guest.error_ns == 2 * S
    assert guest.monotonic_ns == guest.monotonic_raw_ns == guest.boottime_ns == 10_002 * S
    assert guest.reference_ticks == 100_000_000_000


@pytest.mark.parametrize(("os", "monotonic_s"), [("linux", 64), ("windows", 0)])
def test_a_correction_slews_monotonic_on_linux_and_the_wall_alone_on_windows(os, monotonic_s):
    """RAW never sees a correction; whether MONOTONIC does is the operating system's."""
    guest = linux(os=os, timesync="ntp")
    guest.step("-0.1 s")
    guest.advance("64 s")
    assert guest.error_ns == -100 * MS
    guest.advance("20 s")
    corrected = guest.error_ns + 100 * MS
    assert corrected > 0
    assert guest.monotonic_raw_ns == 84 * S
    assert guest.monotonic_ns - 84 * S == (corrected if monotonic_s else 0)


def test_drift_may_be_a_function_of_the_hosts_load():
    """The rate is asked for whenever the load changes, and what was gained before is kept."""
    host = Host(START, load=0)
    guest = host.guest(timesync="off", drift=lambda load: load * Fraction(1, 1_000))
    host.advance("100 s")
    assert guest.error_ns == 0
    host.load = 0.75
    assert host.load == Fraction(3, 4)
    assert guest.drift_ppb == 750_000
    host.advance("100 s")
    assert guest.error_ns == 75 * MS
    host.load = Fraction(1, 3)
    assert guest.drift_ppb == 333_333
    host.advance("100 s")
    assert guest.error_ns == 75 * MS + 33_333_300


def test_a_load_that_is_no_number_is_refused():
    """A load is any number, and nothing else."""
    host = Host(START)
    with pytest.raises(TypeError) as refused:
        host.load = "75 %"
    assert str(refused.value) == "'75 %' is not a load: write a number, such as 0.75"
    with pytest.raises(ValueError, match="^nan is not a load: write a finite number, such as 0.75$"):
        host.load = float("nan")
    assert host.load == 0


def test_a_load_at_which_a_drift_makes_no_sense_is_refused_and_changes_nothing():
    """Neither the load nor any guest's rate is left half changed."""
    host = Host(START)
    guest = host.guest(timesync="off", drift=lambda load: load / 1_000)
    host.guest(timesync="off", drift=lambda load: Fraction(0) if load < 1 else "fast")
    with pytest.raises(ValueError, match="^'fast' is not a rate"):
        host.load = 2
    assert host.load == 0
    host.advance("100 s")
    assert guest.error_ns == 0


def test_a_drift_that_is_no_rate_is_refused_and_the_old_one_goes_on():
    """A refused drift changes nothing."""
    guest = linux(timesync="off", drift="+100 ppm")
    with pytest.raises(TypeError):
        guest.drift = 0.5
    assert guest.drift == "+100 ppm"
    guest.advance("10000 s")
    assert guest.error_ns == S


def test_a_rate_finer_than_a_part_per_billion_is_rounded_to_it():
    """A third of a ppm is 333 ppb, to the nanosecond, for as long as it runs."""
    guest = linux(timesync="off", drift=Fraction(1, 3_000_000))
    assert guest.drift_ppb == 333
    guest.advance(10**9 * S)
    assert guest.error_ns == 333 * S


def test_remainders_are_kept_at_a_change_of_rate():
    """Half a nanosecond gained before a change and half after it are one nanosecond."""
    guest = linux(timesync="off", drift="+500 ppm")
    guest.advance(1_000)
    assert guest.error_ns == 0
    guest.drift = "+250 ppm"
    guest.advance(2_000)
    assert guest.error_ns == 1


def test_no_change_of_drift_lets_a_slewing_clock_run_backwards():
    """A correction in hand is cut down to what the new clocksource allows."""
    guest = linux(timesync="ntp")
    guest.step("0.1 s")
    guest.advance("65 s")
    guest.drift = "-100 %"
    before = guest.wall_ns, guest.monotonic_ns
    guest.advance("30 s")
    assert guest.wall_ns >= before[0]
    assert guest.monotonic_ns >= before[1]


def test_an_error_is_a_timedelta_rounded_down_and_error_ns_is_exact():
    """1 ns behind is a microsecond behind as a timedelta: down is down on both sides of zero."""
    guest = linux(timesync="off")
    guest.step("-1 ns")
    assert guest.error == timedelta(microseconds=-1)
    assert guest.error_ns == -1
    guest.step("1000 ns")
    assert guest.error == timedelta(0)
    assert guest.error_ns == 999


def test_step_moves_the_wall_clock_alone():
    """Somebody set the clock: no counter, no RTC and no true time moves."""
    guest = linux(timesync="off")
    guest.advance("10 s")
    before = everything(guest)
    guest.step("-1.5 h")
    after = everything(guest)
    assert after[0] == before[0] - 5_400 * S
    assert after[1:5] == before[1:5]
    assert after[6] == before[6]


# ------------------------------------------------------------------------------------------- the log of sets


def test_every_set_of_the_wall_clock_is_logged_with_when_from_to_and_by_whom():
    """A step by hand and a SYNC are two lines of the log."""
    guest = linux()
    guest.advance("10 s")
    guest.step("-1 h")
    guest.pause()
    guest.resume()
    guest.advance("1 s")
    step, sync = guest.clock_sets
    assert (step.at_ns, step.from_ns, step.to_ns, step.by) == (
        START_NS + 10 * S,
        START_NS + 10 * S,
        START_NS + 10 * S - HOUR,
        "step",
    )
    assert (sync.at_ns, sync.from_ns, sync.to_ns, sync.by) == (
        START_NS + 11 * S,
        START_NS + 11 * S - HOUR,
        START_NS + 11 * S,
        "SYNC",
    )
    assert sync.by_ns == HOUR
    assert str(step) == "2026-01-01T00:00:10Z step set the wall clock 3,600 s back"
    assert str(sync) == "2026-01-01T00:00:11Z SYNC set the wall clock 3,600 s forward"


def test_a_slew_is_no_set():
    """A correction without a step leaves no line in the log."""
    guest = linux(timesync="ntp", drift="+100 ppm")
    guest.advance("1 d")
    assert abs(guest.error_ns) < 128 * MS
    assert guest.clock_sets == []


def test_the_same_set_at_a_steady_interval_is_one_entry():
    """Years of the same correction are one line, which says how often and how far apart."""
    guest = linux(timesync="ntp", drift="+1 %")
    guest.advance("3650 d")
    log = guest.clock_sets
    assert len(log) < 10
    assert sum(entry.times for entry in log) == 3650 * 86_400 // 64
    assert log[-1].every_ns == 64 * S
    assert log[-1].last_at_ns <= guest.host.true_ns < log[-1].last_at_ns + 64 * S
    assert "times every 64 s" in str(log[-1])


# ------------------------------------------------------------------------------------------------------- RTC


def test_the_rtc_is_naive_of_whole_seconds_and_the_hosts_local_time():
    """Rounded down, without a tzinfo, and with daylight saving as the host has it."""
    host = Host("2026-07-01T12:00:00.999999999Z", zone="America/Los_Angeles")
    guest = host.guest(zone="Asia/Tokyo", os="windows")
    assert guest.rtc == datetime(2026, 7, 1, 5, 0, 0)
    assert guest.rtc.tzinfo is None
    host.advance(1)
    assert guest.rtc == datetime(2026, 7, 1, 5, 0, 1)


def test_the_rtc_goes_on_while_the_guest_is_paused_saved_or_off():
    """It is the host's, not the guest's."""
    for state in ("paused", "saved", "off"):
        guest = linux()
        INTO[state](guest)
        guest.host.advance("1 d")
        assert guest.rtc == datetime(2026, 1, 2)


def test_a_written_rtc_keeps_its_difference_to_the_hosts_time():
    """What was written goes on from there, and outlives a power cycle."""
    guest = linux(timesync="off")
    guest.write_rtc(datetime(2027, 6, 5, 4, 3, 2))
    assert guest.rtc == datetime(2027, 6, 5, 4, 3, 2)
    guest.power_off()
    guest.host.advance("10 s")
    guest.boot()
    assert guest.rtc == datetime(2027, 6, 5, 4, 3, 12)
    assert guest.wall_ns == int(datetime(2027, 6, 5, 4, 3, 12, tzinfo=UTC).timestamp()) * S


@pytest.mark.parametrize(
    ("written", "booted"),
    [("-2 d", "-2 d"), ("-3 d", "-2 d"), ("-1 d", "-1 d"), ("400 d", "400 d")],
)
def test_a_written_rtc_is_at_most_two_days_back_at_the_next_boot(written, booted):
    """The clamp works at power-on, backwards only, and what was read before it was as written."""
    from pytest_hvclock.units import duration_ns

    guest = linux(timesync="off")
    value = datetime(2026, 1, 1) + timedelta(microseconds=duration_ns(written) // 1_000)
    guest.write_rtc(value)
    assert guest.rtc == value
    guest.power_off()
    guest.boot()
    assert guest.error_ns == duration_ns(booted)


def test_a_written_rtc_stays_right_up_to_a_change_of_the_hosts_daylight_saving():
    """The offset is to the host's *local* time, so it shifts when that does and not hours before."""
    host = Host("2026-03-08T04:00:00Z", zone="America/Los_Angeles")
    guest = host.guest()
    guest.write_rtc(datetime(2026, 3, 8, 4))
    host.advance("5 h")
    assert guest.rtc == datetime(2026, 3, 8, 9)
    host.advance("1 h")
    assert guest.rtc == datetime(2026, 3, 8, 11)


@pytest.mark.parametrize("value", [datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC")), "2026-01-01"])
def test_the_rtc_takes_only_a_naive_datetime(value):
    """Registers have no time zone."""
    with pytest.raises(TypeError) as refused:
        linux().write_rtc(value)
    assert str(refused.value) == (
        f"{value!r} cannot be written to the RTC: it holds a naive datetime, without a time zone"
    )


def test_hwclock_waits_for_the_rtcs_next_second_and_logs_its_set():
    """At a whole second nothing need be waited for; otherwise at most a second passes, for everybody."""
    guest = Host("2026-01-01T00:00:00.25Z").guest(timesync="off")
    guest.step("-100 s")
    guest.hctosys()
    assert guest.host.true_ns == START_NS + S
    assert guest.error_ns == 0
    assert (guest.clock_sets[-1].by, guest.clock_sets[-1].by_ns) == ("hwclock", 100 * S)
    guest.hctosys()
    assert guest.host.true_ns == START_NS + S


# --------------------------------------------------------------------------------------------------- host.at


def test_a_planned_action_runs_when_true_time_gets_there():
    """From now, or at an instant as text or datetime; at its moment exactly, and once."""
    host = Host(START)
    ran = []
    host.at("90 s", lambda: ran.append(("text", host.true_ns - START_NS)))
    host.at(timedelta(seconds=30), lambda: ran.append(("delta", host.true_ns - START_NS)))
    host.at(5, lambda: ran.append(("ns", host.true_ns - START_NS)))
    host.at("2026-01-01T00:01:00Z", lambda: ran.append(("iso", host.true_ns - START_NS)))
    host.at(datetime(2026, 1, 1, 0, 2, tzinfo=UTC), lambda: ran.append(("datetime", host.true_ns - START_NS)))
    host.advance("1 h")
    assert ran == [("ns", 5), ("delta", 30 * S), ("iso", 60 * S), ("text", 90 * S), ("datetime", 120 * S)]
    assert host.true_ns == START_NS + HOUR


def test_planned_actions_of_one_instant_run_in_the_order_given():
    """Whatever way their instant was written."""
    host = Host(START)
    ran = []
    host.at("10 s", lambda: ran.append(1))
    host.at("2026-01-01T00:00:10Z", lambda: ran.append(2))
    host.at(10 * S, lambda: ran.append(3))
    host.advance("10 s")
    assert ran == [1, 2, 3]


def test_an_action_planned_for_now_runs_with_the_next_advance_even_of_nothing():
    """Planning runs nothing by itself; an advance of 0 runs what is due now."""
    host = Host(START)
    ran = []
    host.at(0, lambda: ran.append(host.true_ns))
    assert ran == []
    host.advance(0)
    assert ran == [START_NS]


def test_at_one_instant_the_service_comes_before_a_planned_action():
    """An action at the instant of SYNC finds the clock set."""
    guest = linux()
    guest.pause()
    guest.host.advance("1 h")
    guest.resume()
    seen = []
    guest.host.at("1 s", lambda: seen.append(guest.error_ns))
    guest.advance("1 min")
    assert seen == [0]


def test_what_is_due_happens_before_a_verb_of_the_same_instant():
    """A step at the instant of SYNC is made after it, and stays."""
    guest = linux()
    guest.pause()
    guest.host.advance("1 h")
    guest.resume()
    guest.advance("1 s")
    guest.step("5 s")
    assert guest.error_ns == 5 * S
    assert [entry.by for entry in guest.clock_sets] == ["SYNC", "step"]


def test_a_planned_action_may_call_any_verb():
    """A restore in the middle of an advance: the rest of it is lived by the restored guest."""
    guest = linux(timesync="off")
    saves = []
    guest.host.at("10 s", lambda: saves.append(guest.save()))
    guest.host.at("70 s", lambda: guest.restore(saves[0]))
    guest.advance("100 s")
    assert guest.monotonic_ns == 40 * S
    assert guest.error_ns == -60 * S


def test_a_planned_action_may_let_time_pass_and_plan_further_ones():
    """What a nested advance has passed is passed once, and its planned actions run in their turn."""
    host = Host(START)
    ran = []

    def longer():
        host.at("1 min", lambda: ran.append(("planned later", host.true_ns - START_NS)))
        host.advance("1 h")
        ran.append(("nested", host.true_ns - START_NS))

    host.at("10 s", longer)
    host.at("20 s", lambda: ran.append(("planned before", host.true_ns - START_NS)))
    host.advance("30 s")
    assert ran == [("planned before", 20 * S), ("planned later", 70 * S), ("nested", HOUR + 10 * S)]
    assert host.true_ns == START_NS + HOUR + 10 * S
    host.advance("1 s")
    assert host.true_ns == START_NS + HOUR + 11 * S


def test_what_a_planned_action_raises_comes_out_of_the_advance_at_its_moment():
    """True time stands at the action; it is not run again, and the later ones are still planned."""
    host = Host(START)
    ran = []

    def fail():
        raise LookupError("the loop must end")

    host.at("10 s", fail)
    host.at("20 s", lambda: ran.append(host.true_ns))
    with pytest.raises(LookupError, match="^the loop must end$"):
        host.advance("1 h")
    assert host.true_ns == START_NS + 10 * S
    assert ran == []
    host.advance("1 h")
    assert ran == [START_NS + 20 * S]


class Slow:
    """Something like an anomaly: it has ``strike`` and nothing else."""

    def strike(self, guest):
        """Make the guest an hour slow."""
        guest.step("-1 h")

    def __repr__(self):
        """Write it as it is made."""
        return "Slow()"


def test_an_anomaly_can_be_planned_and_strikes_the_hosts_guest():
    """Whatever has ``strike(guest)`` is struck with at its moment."""
    guest = linux(timesync="off")
    guest.host.at("10 s", Slow())
    guest.advance("9 s")
    assert guest.error_ns == 0
    guest.advance("1 s")
    assert guest.error_ns == -HOUR


@pytest.mark.parametrize("guests", [0, 2])
def test_an_anomaly_planned_for_a_host_without_exactly_one_guest_is_refused(guests):
    """Whom it strikes must be clear when it strikes."""
    host = Host(START)
    for _ in range(guests):
        host.guest()
    host.at("10 s", Slow())
    with pytest.raises(ValueError, match="whom it strikes") as refused:
        host.advance("10 s")
    assert str(refused.value) == (
        f"Slow() was planned on a host with {guests} guests, so whom it strikes is not clear: "
        "plan a callable instead, such as lambda: anomaly.strike(guest)"
    )


@pytest.mark.parametrize("when", ["-1 s", "2025-12-31T23:59:59Z", datetime(2025, 12, 31, tzinfo=UTC)])
def test_a_moment_that_has_passed_cannot_be_planned_for(when):
    """True time only goes forward."""
    with pytest.raises(ValueError, match="has passed") as refused:
        Host(START).at(when, print)
    assert str(refused.value) == f"{when!r} has passed: true time is 2026-01-01T00:00:00Z, and only goes forward"


def test_what_cannot_be_run_cannot_be_planned():
    """Neither callable nor an anomaly."""
    with pytest.raises(TypeError) as refused:
        Host(START).at("1 s", "restore")
    assert str(refused.value) == "'restore' cannot be run: give a callable without arguments, or an anomaly"


def test_true_time_only_goes_forward():
    """A negative advance is refused, of host and guest alike, and nothing moves."""
    guest = linux()
    for advance in (guest.advance, guest.host.advance):
        with pytest.raises(ValueError, match="negative") as refused:
            advance("-1 s")
        assert str(refused.value) == "advance cannot be negative, and '-1 s' is: true time only goes forward"
    assert guest.host.true_ns == START_NS


# --------------------------------------------------------------------------------------------- several guests


def test_advance_is_for_everybody():
    """Time that one guest lets pass passes for the other one."""
    host = Host(START)
    fast, slow = host.guest(timesync="off", drift="+100 ppm"), host.guest(timesync="off", drift="-100 ppm")
    fast.advance("10000 s")
    assert host.true_ns == START_NS + 10_000 * S
    assert (fast.error_ns, slow.error_ns) == (S, -S)


def test_guests_do_not_disturb_each_other():
    """Verbs of one leave every reading of the other as it was."""
    host = Host(START)
    one, other = host.guest(), host.guest()
    before = everything(other)
    one.step("1 h")
    one.apply(one.checkpoint(), view="outside")
    one.power_off()
    assert everything(other) == before
    assert one.generation_id != other.generation_id


def test_a_migration_lets_time_pass_for_every_guest_of_the_host():
    """The migrated guest misses the blackout; its neighbour lives it."""
    host = Host(START)
    moved, neighbour = host.guest(timesync="off"), host.guest(timesync="off")
    moved.migrate(blackout="5 s")
    assert (moved.error_ns, neighbour.error_ns) == (-5 * S, 0)
    assert (moved.monotonic_ns, neighbour.monotonic_ns) == (0, 5 * S)


def test_a_migration_is_interrupted_by_what_was_planned_for_its_blackout():
    """An action in the blackout finds the guest paused, and the guest runs again at its end."""
    guest = linux(timesync="off")
    seen = []
    guest.host.at("2 s", lambda: seen.append((guest.state.value, guest.error_ns)))
    guest.migrate(blackout="5 s")
    assert seen == [("paused", -2 * S)]
    assert guest.state.value == "running"
    assert guest.error_ns == -5 * S


def test_a_hibernation_has_all_the_time_that_passed_meanwhile():
    """Wall clock and BOOTTIME include what a planned action let pass beyond the hibernation's own length."""
    guest = linux(timesync="off")
    guest.host.at("30 min", lambda: guest.host.advance("2 h"))
    guest.hibernate("1 h")
    assert guest.host.true_ns == START_NS + 5 * HOUR // 2
    assert guest.error_ns == 0
    assert guest.boottime_ns == 5 * HOUR // 2
    assert guest.monotonic_ns == 0


def test_after_a_hibernation_the_ptp_device_has_heard_nothing_yet():
    """The channel is opened anew: ESTALE until SYNC, which comes a second later."""
    guest = linux()
    guest.hibernate("1 h")
    with pytest.raises(OSError, match="/dev/ptp_hyperv") as stale:
        _ = guest.ptp_ns
    assert stale.value.errno == errno.ESTALE
    guest.advance("1 s")
    assert guest.ptp_ns == guest.host.true_ns


# ------------------------------------------------------------------------------------------------ host.error


def test_a_wrong_host_makes_its_guests_wrong():
    """SYNC sets the guest to the host's time, error included; the RTC shows the host's time as well."""
    host = Host(START, error="-90 s")
    guest = host.guest()
    host.error = "1 h"
    assert host.error == host.error_ns == HOUR
    assert guest.error_ns == -90 * S
    assert guest.rtc == datetime(2026, 1, 1, 1)
    guest.pause()
    guest.resume()
    guest.advance("1 s")
    assert guest.error_ns == HOUR
    assert guest.ptp_ns == host.true_ns + HOUR


def test_a_host_that_is_set_right_reaches_its_guests_with_the_next_message():
    """An error of the host's that ends is corrected by the guest's own rules."""
    host = Host(START, error="-1 h")
    guest = host.guest(timesync="linux-implicit")
    assert guest.error_ns == -HOUR
    host.error = 0
    host.advance(5_010 * MS - 1)
    assert guest.error_ns == -HOUR
    host.advance(1)
    assert guest.error_ns == 0


def test_what_was_due_before_the_host_went_wrong_was_sent_by_a_right_host():
    """A SYNC whose moment has passed unread carried the host's error of that moment."""
    host = Host(START)
    guest = host.guest()
    guest.pause()
    host.advance("1 h")
    guest.resume()
    host.advance("2 s")
    host.error = "1 h"
    assert guest.error_ns == 0
    assert guest.ptp_ns == host.true_ns


def test_what_was_lived_before_the_load_changed_was_lived_at_the_old_drift():
    """Time that nobody has looked at is no exception."""
    host = Host(START)
    guest = host.guest(timesync="off", drift=lambda load: load / 1_000)
    host.advance("100 s")
    host.load = 1
    host.advance("1 s")
    assert guest.error_ns == MS


def test_an_error_of_the_host_that_is_no_duration_is_refused():
    """And the old one stays."""
    host = Host(START, error="1 s")
    with pytest.raises(TypeError, match="^the float 0.5 would lose nanoseconds"):
        host.error = 0.5
    assert host.error_ns == S


def test_a_host_and_a_guest_show_what_they_are():
    """Their reprs name the instant, the zone, the state and the error in words."""
    host = Host("2026-01-01T00:00:00.000000001Z", zone="Asia/Tokyo")
    guest = host.guest(timesync="off")
    guest.step("-1 h")
    assert repr(host) == "<Host at 2026-01-01T00:00:00.000000001Z in Asia/Tokyo, 1 guest(s)>"
    assert repr(guest) == "<linux Guest running, 3,600 s behind true time, timesync off>"
    guest.pause()
    assert repr(guest) == "<linux Guest paused, 3,600 s behind true time, timesync off>"
