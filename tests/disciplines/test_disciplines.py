"""What each discipline must do with a guest's clock: numbered propositions, with the tolerances of the facts sheet.

The numbers are those of the project's sheet of facts about Hyper-V, where each proposition names its sources.
"""

import itertools

import pytest

from pytest_hvclock import Host
from pytest_hvclock.clocks.message import Flag, Message
from pytest_hvclock.clocks.segment import Segment
from pytest_hvclock.disciplines.chrony import Chrony
from pytest_hvclock.disciplines.freebsd import FreeBsd
from pytest_hvclock.disciplines.linux import Linux, LinuxImplicit
from pytest_hvclock.disciplines.w32time import W32Time

MS = 1_000_000
S = 1_000_000_000
AS = 1_000_000_000
SAMPLE = "5.01 s"
HISTORY = "10 min"


def guest_with(timesync, **settings):
    return Host("2026-01-01T00:00:00Z").guest(timesync=timesync, **settings)


def slew_ppm(guest):
    """Rate of a Windows guest's wall clock against QPC over the next millisecond."""
    wall, monotonic = guest.wall_ns, guest.monotonic_ns
    guest.advance("1 ms")
    return (guest.wall_ns - wall - guest.monotonic_ns + monotonic) * 1_000_000 // MS


def until_corrected(guest, within, stride=10 * MS):
    """Advance to the first correction by W32Time, and return how long it took; fail if there was none."""
    started, sets = guest.host.true_ns, len(guest.clock_sets)
    error = guest.error_ns
    while len(guest.clock_sets) == sets and guest.error_ns == error:
        assert guest.host.true_ns - started <= within, "nothing was corrected"
        guest.advance(stride)
    return guest.host.true_ns - started


# -------------------------------------------------------------------------------------------------- messages


@pytest.mark.parametrize("version", [1, 3, 4])
def test_p10_only_protocol_4_makes_up_for_a_late_message(version):
    """A SYNC that arrives 2 s late leaves less than a millisecond with version 4, and 2 s without."""
    guest = guest_with("linux", protocol=version, delivery_delay="2 s")
    guest.save()
    guest.host.advance("1 h")
    guest.restore(guest._saved)
    guest.advance("10 s")
    expected = 0 if version == 4 else -2 * S
    assert abs(guest.error_ns - expected) < MS


def test_p10_late_messages_arrive_further_apart():
    """The host takes its next sample 5 s after the answer, however late the message was."""
    guest = guest_with("linux-4.10", delivery_delay="2 s", drift="+100 ppm")
    guest.advance("1 h")
    assert {entry.every_ns for entry in guest.clock_sets} == {7_010 * MS}


def test_p10_a_driver_that_knows_no_reference_time_cannot_make_up_for_a_delay():
    """FreeBSD's driver and Linux's old one take a message as it comes, whatever version the host offers."""
    for name in ("freebsd", "linux-legacy"):
        guest = guest_with(name, delivery_delay="500 ms")
        guest.advance("1 min")
        assert guest.error_ns == -500 * MS


@pytest.mark.parametrize(("delay", "is_set"), [("600 s", True), ("600.0000001 s", False)])
def test_p10_linux_does_not_use_a_message_that_was_on_its_way_for_more_than_600_seconds(delay, is_set):
    """The worker refuses a host time that is too old (``hv_set_host_time``), as the PTP device does."""
    for name in ("linux", "linux-implicit"):
        guest = guest_with(name, delivery_delay=delay)
        guest.step("-1 d")
        guest.restore(guest.save())
        guest.advance("2 s")
        assert guest.error_ns == (0 if is_set else -86_400 * S)


@pytest.mark.parametrize("driver", [Linux(), LinuxImplicit()])
def test_p11_messages_that_wait_together_set_the_clock_once_by_the_newest(driver):
    """Of SYNC and SAMPLE in one ring the newest sample counts, and one set happens."""
    clocks = Segment(true_ns=1_000 * S, wall_as=400 * S * AS, reference_ns=600 * S)
    sync = Message(Flag.SYNC, 900 * S, 500 * S)
    sample = Message(Flag.SAMPLE, 905 * S, 505 * S)
    driver.drain(clocks, [sync, sample])
    assert [(entry.to_ns, entry.by) for entry in clocks.sets] == [(1_000 * S, "SYNC")]
    assert clocks.wall_as == 1_000 * S * AS


def test_p11_a_ring_of_samples_sets_nothing():
    clocks = Segment(true_ns=1_000 * S, wall_as=400 * S * AS)
    Linux().drain(clocks, [Message(Flag.SAMPLE, 900 * S, 500 * S), Message(Flag.SAMPLE, 905 * S, 505 * S)])
    assert clocks.sets == []


# -------------------------------------------------------------------------------------------------- Linux, FreeBSD


def test_p18_linux_legacy_follows_fifty_samples_and_no_more():
    """An error of +3 s that comes back before each sample is set right 50 times, about 250 s long."""
    guest = guest_with("linux-legacy")
    for number in range(1, 54):
        guest.step(3 * S - guest.error_ns)
        guest.advance(SAMPLE)
        assert guest.error_ns == (0 if number <= 50 else 3 * S), number
    assert sum(entry.times for entry in guest.clock_sets if entry.by == "SAMPLE") == 50


def test_p18_linux_legacy_counts_once_per_boot_and_sync_does_not_count():
    """A restore brings SYNC and no new samples; a boot brings fifty."""
    guest = guest_with("linux-legacy")
    guest.advance("1 h")
    guest.restore(guest.save())
    guest.advance("10 s")
    guest.step("3 s")
    guest.advance("1 h")
    assert guest.error_ns == 3 * S
    guest.restore(guest.save())
    guest.advance("2 s")
    assert guest.error_ns == 0
    guest.power_off()
    guest.boot()
    guest.advance("10 s")
    guest.step("3 s")
    guest.advance("6 s")
    assert guest.error_ns == 0


@pytest.mark.parametrize("error", [200 * MS, -200 * MS])
def test_p19_linux_4_10_steps_every_five_seconds_either_way_and_for_ever(error):
    """Each sample sets the clock, and 30 days later it still does."""
    guest = guest_with("linux-4.10")
    for days in (0, 30):
        guest.advance(f"{days} d")
        for _ in range(20):
            guest.step(error - guest.error_ns)
            guest.advance(SAMPLE)
            assert guest.error_ns == 0


@pytest.mark.parametrize(("error", "after"), [(100, 100), (101, 0), (-101, 0), (-100, -100)])
def test_p20_freebsd_steps_above_a_hundred_whole_milliseconds_either_way(error, after):
    """100 ms are let be, 101 ms are stepped, forward and back."""
    guest = guest_with("freebsd")
    guest.step(error * MS)
    guest.advance("6 s")
    assert guest.error_ns == after * MS


def test_p20_freebsd_compares_whole_milliseconds():
    """100.999 ms are 100 ms to the driver."""
    guest = guest_with("freebsd")
    guest.step(101 * MS - 1)
    guest.advance("1 min")
    assert guest.error_ns == 101 * MS - 1


def test_p20_freebsd_has_two_sysctls():
    """``ignore_sync_req`` leaves a restore to the samples, ``sample_drift=0`` leaves the samples alone."""
    guest = guest_with(FreeBsd(ignore_sync=True))
    saved = guest.save()
    guest.host.advance("1 h")
    guest.restore(saved)
    guest.advance("3 s")
    assert guest.error_ns == -3_600 * S
    guest.advance("10 s")
    assert guest.error_ns == 0
    guest.timesync = FreeBsd(sample_drift=0)
    guest.advance("10 s")
    guest.step("-1 h")
    guest.advance("1 h")
    assert guest.error_ns == -3_600 * S


# -------------------------------------------------------------------------------------------------- Windows


def test_p23_w32time_corrects_on_a_grid_of_thirty_seconds():
    """Of the samples every 5 s one about every 30 s is used: the slew changes then, and not between."""
    guest = guest_with("w32time-2012r2", drift="-100 ppm")
    changes, rate = [], 0
    for _ in range(30_000):
        guest.advance("10 ms")
        assert guest.clock_sets == []  # which settles the guest
        if guest._timekeeping.clocks.correction_ppb != rate:
            rate = guest._timekeeping.clocks.correction_ppb
            changes.append(guest.host.true_ns)
    gaps = {later - earlier for earlier, later in itertools.pairwise(changes)}
    assert len(changes) >= 9
    assert gaps == {30_060 * MS}


def test_p24_w32time_2016_slews_a_second_at_62500_ppm_at_first():
    """Counted from the sample that shows it, -1 s is below 20 ms after 64 s, and the wall clock never goes back."""
    guest = guest_with("w32time-2016")
    guest.advance(HISTORY)
    guest.step("-1 s")
    sets = len(guest.clock_sets)
    assert until_corrected(guest, 31 * S, stride=10 * MS) <= 31 * S
    assert abs(slew_ppm(guest) - 62_500) <= 1
    last = guest.wall_ns
    for _ in range(640):
        guest.advance("100 ms")
        assert guest.wall_ns >= last
        last = guest.wall_ns
    assert -20 * MS < guest.error_ns <= 0
    assert len(guest.clock_sets) == sets


def test_p24_a_guest_ahead_is_slewed_back_without_ever_going_back():
    guest = guest_with("w32time-2016")
    guest.advance(HISTORY)
    guest.step("1 s")
    until_corrected(guest, 31 * S)
    assert abs(slew_ppm(guest) + 62_500) <= 1
    guest.advance("64 s")
    assert 0 <= guest.error_ns < 20 * MS


def test_p24_a_slew_moves_the_wall_clock_and_not_qpc():
    guest = guest_with("w32time-2016", drift="+50 ppm")
    guest.step("-1 s")
    guest.advance("20 s")
    before = guest.monotonic_ns, guest.monotonic_raw_ns
    guest.advance("10 s")
    assert guest.monotonic_ns - before[0] == guest.monotonic_raw_ns - before[1] == 10 * S + 500_000


@pytest.mark.parametrize(("error", "steps"), [("-7.9 s", False), ("-8 s", False), ("-8.1 s", True), ("8.1 s", True)])
def test_p24_w32time_2016_steps_above_eight_seconds_once_it_believes_them(error, steps):
    """An error of 5 s and more is a spike for 900 s; then PhaseCorrection decides: half the clock rate is at 8.0 s."""
    guest = guest_with("w32time-2016")
    guest.advance(HISTORY)
    guest.step(error)
    sets = len(guest.clock_sets)
    assert until_corrected(guest, 935 * S) >= 895 * S
    assert (len(guest.clock_sets) > sets) == steps
    assert (guest.error_ns == 0) == steps


@pytest.mark.parametrize(
    ("behind_ms", "steps"),
    [(180_000, False), (234_370, False), (234_375, False), (234_376, True), (234_380, True), (240_000, True)],
)
def test_p25_w32time_2012r2_slews_up_to_234_375_seconds(behind_ms, steps):
    """3 minutes behind are slewed and 4 are stepped, once they are believed: Microsoft's own two examples."""
    guest = guest_with("w32time-2012r2")
    guest.advance(HISTORY)
    guest.step(-behind_ms * MS)
    sets = len(guest.clock_sets)
    assert until_corrected(guest, 935 * S) >= 895 * S
    assert (len(guest.clock_sets) > sets) == steps
    if not steps:
        assert abs(slew_ppm(guest) - behind_ms * 1_000 // 468_750 * 1_000) <= 1_000  # 2,133 ppm for each second
        guest.advance("2 h")
        assert -100 * MS < guest.error_ns <= 0


@pytest.mark.parametrize(
    ("error", "steps"), [("1.01 s", True), ("-1.01 s", True), ("0.99 s", False), ("-0.99 s", False)]
)
def test_p26_w32time_standalone_steps_above_one_second(error, steps):
    """MaxAllowedPhaseOffset is 1 s; below it the slew is the slow one of PhaseCorrectRate 7 at a poll of 1,024 s."""
    guest = guest_with("w32time-standalone")
    guest.advance(HISTORY)
    guest.step(error)
    sets = len(guest.clock_sets)
    until_corrected(guest, 31 * S)
    assert (len(guest.clock_sets) > sets) == steps
    if not steps:
        assert 540 <= abs(slew_ppm(guest)) <= 560


def test_p27_a_sample_six_seconds_off_is_ignored():
    """After good samples: nothing happens while the error comes and goes."""
    guest = guest_with("w32time-2016")
    guest.advance(HISTORY)
    guest.step("-6 s")
    guest.advance("14 min")
    assert guest.error_ns == -6 * S
    guest.step("6 s")
    guest.advance("1 min")
    guest.step("-6 s")
    guest.advance("14 min")
    assert guest.error_ns == -6 * S


@pytest.mark.parametrize("error", ["-6 s", "6 s"])
def test_p27_an_error_of_six_seconds_that_lasts_fifteen_minutes_is_corrected(error):
    """SpikeWatchPeriod is 900 s, counted from the first sample that showed it."""
    guest = guest_with("w32time-2016")
    guest.advance(HISTORY)
    guest.step(error)
    assert until_corrected(guest, 935 * S) >= 895 * S
    guest.advance("5 min")
    assert abs(guest.error_ns) < MS


def test_p27_the_first_samples_are_not_screened():
    """HoldPeriod: until five good samples in a row, a large error is corrected at once.

    That HoldPeriod counts samples is what the group policy says; the registry reference calls it a period of time.
    """
    guest = guest_with("w32time-2016")
    guest.step("-6 s")
    assert until_corrected(guest, 31 * S) <= 31 * S
    other = guest_with(W32Time(hold_period=0))
    other.step("-6 s")
    other.advance("5 min")
    assert other.error_ns == -6 * S


@pytest.mark.parametrize(
    ("timesync", "limit"), [("w32time-dc", 172_800), ("w32time-standalone", 54_000), ("w32time-dc", -172_800)]
)
def test_p28_beyond_its_limit_w32time_only_logs(timesync, limit):
    """A second beyond MaxPosPhaseCorrection or MaxNegPhaseCorrection nothing is set, and one event is recorded."""
    sign = 1 if limit > 0 else -1
    for beyond, corrected in ((sign, False), (-sign, True)):
        guest = guest_with(timesync)
        guest.advance(HISTORY)
        error = -(limit + beyond) * S
        guest.step(error)
        guest.advance("1 h")
        assert guest.error_ns == (0 if corrected else error)
        assert [entry.by_ns for entry in guest.refused_sets] == ([] if corrected else [-error])


def test_p28_a_refused_guest_drifts_on_and_is_corrected_when_it_comes_into_reach():
    """Ten years of refusing cost nothing, and are one event."""
    guest = guest_with("w32time-dc", drift="+100 ppm")
    guest.advance(HISTORY)
    guest.step("-60 d")
    guest.advance("365 d")
    assert len(guest.refused_sets) == 1
    guest.step("58.1 d")
    guest.advance("3650 d")
    assert abs(guest.error_ns) < 10 * MS


def test_p28_a_member_corrects_any_error():
    guest = guest_with("w32time-2016")
    guest.advance(HISTORY)
    guest.step("-400 d")
    guest.advance("20 min")
    assert guest.error_ns == 0


def test_p29_sets_of_windows_are_logged_and_slews_are_not():
    """Kernel-General event 1 has the old and the new time."""
    guest = guest_with("w32time-2016")
    guest.advance(HISTORY)
    guest.step("-1 s")
    guest.advance("10 min")
    assert [entry.by for entry in guest.clock_sets] == ["step"]
    at_ns = guest.host.true_ns
    saved = guest.save()
    guest.host.advance("1 h")
    guest.restore(saved)
    guest.advance("1 min")
    entry = guest.clock_sets[-1]
    assert (entry.by, entry.at_ns, entry.to_ns) == ("SYNC", at_ns + 3_601 * S, at_ns + 3_601 * S)
    assert abs(entry.by_ns - 3_600 * S) < MS


@pytest.mark.parametrize("timesync", ["w32time-2016", "windows"])
def test_p29_a_coarse_clock_is_read_in_steps_of_a_64th_of_a_second(timesync):
    """Classic tick counts move by 15.625 ms; the clock behind them is as exact as ever."""
    guest = guest_with(timesync, coarse=True)
    guest.step("-1.234567891 s")
    walls, monotonics = [], []
    for _ in range(1_000):
        guest.advance("1.7 ms")
        walls.append(guest.wall_ns)
        monotonics.append(guest.monotonic_ns)
    for readings in (walls, monotonics):
        assert readings == sorted(readings)
        assert {later - earlier for earlier, later in itertools.pairwise(readings)} <= {0, 15_625_000}
        assert 100 < len(set(readings)) < 120
    assert guest.error_ns == -1_234_567_891


# -------------------------------------------------------------------------------------------------- daemons


def test_p35_timesyncd_steps_a_guest_that_gains_half_a_second_each_poll():
    """15,600 ppm fast: a backward step of about 0.5 s every 32 s, as in the logs of WSL2."""
    guest = guest_with("timesyncd", drift="+15600 ppm")
    guest.advance("1 h")
    (entry,) = guest.clock_sets
    assert (entry.by, entry.every_ns, entry.times) == ("timesyncd", 32 * S, 112)
    assert entry.by_ns == -499_200_000


def test_p35_timesyncd_slews_what_is_below_its_threshold():
    """10,000 ppm are 0.32 s at each poll: no step, and the error stays bounded."""
    guest = guest_with("timesyncd", drift="+1 %")
    guest.advance("1 h")
    assert guest.clock_sets == []
    assert 0 <= guest.error_ns < 400 * MS
    raw, monotonic = guest.monotonic_raw_ns, guest.monotonic_ns
    guest.advance("320 s")
    assert abs((guest.monotonic_ns - monotonic) - 320 * S) < 5 * MS < guest.monotonic_raw_ns - raw - 320 * S


def test_p35_an_offset_is_slewed_by_an_eighth_of_the_rest_each_second():
    guest = guest_with("timesyncd")
    guest.step("-320 ms")
    guest.advance("32 s")
    rest = 320 * MS
    for _ in range(20):
        assert abs(-guest.error_ns - rest) <= 20
        guest.advance("1 s")
        rest -= rest // 8


def test_p36_chrony_steps_an_error_of_28_seconds_at_the_next_update():
    """``makestep 1.0 -1`` and ``poll 3``: within 8 s."""
    guest = guest_with("chrony")
    guest.advance("1 h")
    guest.step("-28 s")
    guest.advance("8 s")
    assert guest.error_ns == 0
    assert guest.clock_sets[-1].by == "chrony"


def test_p36_chrony_slews_less_than_a_second_at_its_greatest_rate_at_most():
    """0.8 s is slewed, never faster than 83,333 ppm (the number is from memory, and a setting)."""
    guest = guest_with("chrony")
    guest.step("-0.8 s")
    guest.advance("8 s")
    sets = len(guest.clock_sets)
    error = guest.error_ns
    guest.advance("1 s")
    assert abs(guest.error_ns - error - 83_333_333) <= 1
    guest.advance("20 s")
    assert abs(guest.error_ns) < 1_000
    assert len(guest.clock_sets) == sets


def test_p36_chrony_that_may_not_step_any_more_takes_twelve_hours_for_an_hour():
    """``makestep 1.0 3``: after the third update 3,600 s are slewed at 83,333 ppm."""
    guest = guest_with(Chrony(makestep_limit=3))
    guest.advance("1 min")
    guest.step("-1 h")
    guest.advance("11.9 h")
    assert guest.error_ns < -20 * S
    guest.advance("10 min")
    assert abs(guest.error_ns) < MS
    assert [entry.by for entry in guest.clock_sets] == ["step"]


def test_p36_chrony_believes_a_stale_answer_of_the_ptp_device_after_a_restore():
    """Until the channel is open again the device gives the old host time, so chrony sees no error; SYNC sets it."""
    guest = guest_with("chrony", sync_after_resume="1 min")
    saved = guest.save()
    guest.host.advance("1 d")
    guest.restore(saved)
    guest.advance("59 s")
    assert guest.error_ns == -86_400 * S
    guest.advance("1 s")
    assert guest.error_ns == 0
    assert guest.clock_sets[-1].by == "SYNC"


def test_p36_chrony_corrects_nothing_while_the_ptp_device_is_stale():
    """With the host silent for more than 600 s the device answers ESTALE."""
    guest = guest_with("chrony", sample_period="1 h")
    guest.advance("20 min")
    guest.step("-5 s")
    guest.advance("30 min")
    assert guest.error_ns == -5 * S
    guest.advance("20 min")
    assert guest.error_ns == 0


def test_p37_two_sources_that_both_step_take_the_clock_from_one_to_the_other():
    """Host and NTP 2 s apart: the wall clock alternates at the slower one's 64 s, and monotonic does not notice."""
    host = Host(error="2 s")
    guest = host.guest(timesync="linux-4.10+ntp")
    errors = []
    for _ in range(640 * 10):
        guest.advance("100 ms")
        errors.append(guest.error_ns)
    assert set(errors) == {0, 2 * S}
    back = [at for at in range(1, len(errors)) if errors[at] == 0 and errors[at - 1]]
    assert {later - earlier for earlier, later in itertools.pairwise(back)} == {640}
    assert guest.monotonic_ns == guest.monotonic_raw_ns == 640 * S


def test_p37_linux_of_today_is_left_to_the_daemon():
    """SAMPLE no longer sets the clock, so there is no fight."""
    guest = Host(error="2 s").guest(timesync="linux+ntp")
    guest.advance("1 d")
    assert guest.error_ns == 0
    assert len(guest.clock_sets) == 1


# ------------------------------------------------------------------------------------------------- boundaries

EVEN = {"sample_period": "4.99 s"}
"""Samples exactly 5 s apart, so that 30 s and 900 s are whole numbers of them."""


@pytest.mark.parametrize(("error", "ignored"), [(-5 * S, True), (-5 * S + 1, False), (5 * S, True), (5 * S - 1, False)])
def test_p27_a_spike_is_at_least_large_phase_offset(error, ignored):
    """LargePhaseOffset itself is a spike already."""
    guest = guest_with("w32time-2016")
    guest.advance(HISTORY)
    guest.step(error)
    guest.advance("35 s")
    assert (guest.error_ns == error) == ignored


def test_p27_a_spike_is_believed_at_900_s_exactly():
    """SpikeWatchPeriod itself is long enough: the sample 900 s after the first that showed the error corrects it."""
    guest = guest_with("w32time-2016", **EVEN)
    guest.advance("600 s")
    guest.step("-9 s")
    guest.advance("930 s")  # of the samples at 5 s, 35 s, ... the one at 605 s shows it first
    assert guest.error_ns == 0
    assert [entry.at_ns - guest.host.started_ns for entry in guest.clock_sets] == [600 * S, 605 * S + 900 * S]


def test_p27_after_a_spike_was_believed_the_next_samples_are_not_screened():
    """HoldPeriod begins anew: a second jump within five samples is corrected at once."""
    guest = guest_with("w32time-2016")
    guest.advance(HISTORY)
    guest.step("-9 s")
    until_corrected(guest, 935 * S)
    assert guest.error_ns == 0
    guest.step("-6 s")
    assert until_corrected(guest, 31 * S) <= 31 * S


def test_p23_a_sample_thirty_seconds_after_the_last_used_one_is_used():
    """With samples exactly 5 s apart the grid is 30 s to the nanosecond."""
    guest = guest_with("w32time-standalone", **EVEN)
    for _ in range(5):
        guest.step("-2 s")
        guest.advance("30 s")
        assert guest.error_ns == 0
    sets = [entry.at_ns - guest.host.started_ns for entry in guest.clock_sets if entry.by == "w32time"]
    assert sets == [5 * S, 35 * S, 65 * S, 95 * S, 125 * S]


@pytest.mark.parametrize(("error", "corrected"), [(-172_800 * S, True), (-172_800 * S - 1, False), (172_800 * S, True)])
def test_p28_the_limit_itself_is_corrected(error, corrected):
    """MaxPosPhaseCorrection and MaxNegPhaseCorrection are the most that is corrected, inclusive."""
    guest = guest_with("w32time-dc")
    guest.step(error)
    guest.advance("1 min")
    assert (guest.error_ns == 0) == corrected
    assert len(guest.refused_sets) == (not corrected)


@pytest.mark.parametrize("sign", [1, -1])
def test_p28_a_refused_guest_that_comes_to_the_limit_itself_is_corrected_and_may_be_refused_again(sign):
    """What is skipped while refusing ends exactly where the limit begins; each time out of reach is one event."""
    guest = guest_with("w32time-dc")
    guest.step(sign * 172_801 * S)
    guest.advance("1 d")
    assert len(guest.refused_sets) == 1
    guest.step(-sign * S)
    guest.advance("1 min")
    assert guest.error_ns == 0
    guest.step(sign * 172_801 * S)
    guest.advance("1 d")
    assert sum(entry.times for entry in guest.refused_sets) == 2


@pytest.mark.parametrize(("error", "refused"), [("-11 s", True), ("11 s", False)])
def test_p28_max_pos_is_for_a_clock_that_has_to_be_put_forward(error, refused):
    """MaxPosPhaseCorrection limits what is added to the clock, MaxNegPhaseCorrection what is taken from it."""
    guest = guest_with(W32Time(max_pos_phase_correction=10))
    guest.step(error)
    guest.advance("1 min")
    assert len(guest.refused_sets) == refused
    assert (guest.error_ns == 0) == (not refused)


def test_p24_no_update_corrects_more_than_remains_however_late_the_next_one_is():
    """An UpdateInterval of an hour is longer than the slew takes: it ends when the offset is gone."""
    guest = guest_with(W32Time(update_interval=360_000, sample_interval_s=36_000))
    guest.step("-1 s")
    guest.advance("10 min")
    assert -MS < guest.error_ns <= 0


@pytest.mark.parametrize(("error", "steps"), [(S, False), (-S, False), (S + 1, True), (-S - 1, True)])
def test_p26_max_allowed_phase_offset_itself_is_slewed(error, steps):
    guest = guest_with("w32time-standalone")
    guest.step(error)
    sets = len(guest.clock_sets)
    guest.advance("35 s")
    assert (len(guest.clock_sets) > sets) == steps


def test_p21_windows_has_nothing_to_set_after_a_resume_without_a_gap():
    """A guest that is right is not put forward."""
    guest = guest_with("windows")
    guest.pause()
    guest.resume()
    guest.advance("1 min")
    assert guest.clock_sets == []


@pytest.mark.parametrize(("error", "after"), [(-6 * S, -6 * S), (-7 * S + 1, -7 * S + 1), (-7 * S, 0)])
def test_p15_implicit_sync_compares_the_host_time_in_the_message(error, after):
    """A message that is 2 s old is 2 s nearer to the guest, so that it takes 7 s for the guest to notice."""
    guest = guest_with("linux-implicit", delivery_delay="2 s")
    guest.step(error)
    guest.advance("1 min")
    assert guest.error_ns == after


def test_p10_a_message_without_a_reference_time_cannot_be_found_too_old():
    """Versions 1 and 3 do not say when the host took its time."""
    guest = guest_with("linux", protocol=3, delivery_delay="700 s")
    guest.step("-1 d")
    guest.restore(guest.save())
    guest.advance("2 s")
    assert guest.error_ns == -700 * S


def test_p36_chrony_still_believes_a_sample_that_is_600_s_old():
    """The device answers at 600 s, which is an update of chrony's; at the next it does not."""
    guest = guest_with("chrony", sample_period="1 h")
    guest.advance("599 s")
    guest.step("-5 s")
    guest.advance("1 s")
    assert guest.error_ns == 0
    guest.step("-5 s")
    guest.advance("8 s")
    assert guest.error_ns == -5 * S


@pytest.mark.parametrize(
    ("timesync", "poll_s", "threshold_ns"), [("chrony", 8, S), ("timesyncd", 32, 400 * MS), ("ntp", 64, 128 * MS)]
)
@pytest.mark.parametrize("sign", [1, -1])
def test_p36_a_daemon_slews_its_threshold_itself_and_steps_what_is_larger(timesync, poll_s, threshold_ns, sign):
    """``makestep 1.0``, 0.4 s of timesyncd and 128 ms of ntpd are the most that is not stepped."""
    for beyond_ns in (0, 1):
        guest = guest_with(timesync)
        guest.step(sign * (threshold_ns + beyond_ns))
        guest.advance(poll_s * S)
        assert guest.error_ns == (0 if beyond_ns else sign * threshold_ns)
        assert [entry.by for entry in guest.clock_sets] == ["step", timesync][: 1 + beyond_ns]


def test_p37_ntp_slews_at_500_ppm_at_most():
    """100 ms take more than one poll: 32 ms of them go in each 64 s."""
    guest = guest_with("ntp")
    guest.step("-100 ms")
    guest.advance("64 s")
    assert guest.error_ns == -100 * MS
    guest.advance("64 s")
    assert guest.error_ns == -68 * MS


# ---------------------------------------------------------------------------------- names and settings


def test_chrony_and_timesyncd_bring_the_linux_driver_along():
    for name in ("chrony", "timesyncd"):
        guest = guest_with(name)
        guest.step("-0.1 s")
        guest.restore(guest.save())
        guest.advance("2 s")
        assert guest.clock_sets[-1].by == "SYNC"
    assert guest_with("off+timesyncd")._timekeeping.service is None
    assert [part.name for part in guest_with("linux-4.10+chrony")._timekeeping.disciplines] == ["linux-4.10", "chrony"]


def test_a_w32time_guest_runs_windows():
    assert guest_with("w32time-dc").os == guest_with(W32Time(poll := 6)).os == guest_with("ntp+windows").os == "windows"
    assert guest_with("freebsd").os == guest_with("ntp").os == "linux"
    assert poll == 6


def test_after_a_resume_w32time_is_set_forward_and_never_back():
    """*Sync mode* stays with a healthy W32Time; a guest that is ahead is left to its samples."""
    for error, after in ((-60, 0), (60, 60)):
        guest = guest_with("w32time-2016")
        guest.advance(HISTORY)
        guest.step(error * S)
        guest.pause()
        guest.resume()
        guest.advance("2 s")
        assert guest.error_ns == after * S


@pytest.mark.parametrize("host_zone", ["Asia/Tokyo", "America/Los_Angeles"])
def test_after_a_boot_w32time_is_set_either_way(host_zone):
    guest = Host(zone=host_zone).guest(timesync="w32time-2016", zone="UTC")
    guest.power_off()
    guest.boot()
    assert abs(guest.error_ns) > 3_600 * S
    guest.advance("3 s")
    assert guest.error_ns == 0


def test_a_set_by_the_service_ends_the_slew_in_hand():
    """Else W32Time would go on correcting an error that is gone."""
    guest = guest_with("w32time-2016")
    guest.step("-4 s")
    guest.advance("8 s")
    assert slew_ppm(guest) > 0
    saved = guest.save()
    guest.host.advance("1 h")
    guest.restore(saved)
    guest.advance("10 min")
    assert guest.error_ns == 0


def test_an_unknown_protocol_is_refused():
    with pytest.raises(ValueError, match="version 1, 3 or 4"):
        guest_with("linux", protocol=2)
    with pytest.raises(ValueError, match="sample_period cannot be 0"):
        guest_with("linux", sample_period=0)
