"""What was logged can be read, and what took a minute is said to have taken a minute."""

import io
import logging
import os
import socket
import sys
from logging.handlers import TimedRotatingFileHandler

import pytest
from statsd import StatsClient
from tqdm import tqdm

pytestmark = pytest.mark.hvclock("drift-500ppm", "restore-after-a-month", "boot-linux-on-a-tokyo-host")
UNREPAIRED = sys.version_info < (3, 11, 9) or (3, 12) <= sys.version_info < (3, 12, 3)
"""Before python/cpython#88352 was repaired, a log was rotated into a file that was there already."""


class App:
    """Logs into a file that is rotated at midnight."""

    def __init__(self, guest, folder):
        self.guest, self.folder, self.said = guest, folder, []

    def start(self):
        self.handler = TimedRotatingFileHandler(self.folder / "app.log", when="midnight", utc=True)

    def log(self, text):
        self.handler.emit(logging.makeLogRecord({"msg": text}))
        os.utime(self.folder / "app.log", ns=(self.guest.wall_ns, self.guest.wall_ns))  # as the guest's kernel does
        self.said.append(text)

    def stop(self):
        self.handler.close()

    def lost(self):
        kept = [line for file in self.folder.iterdir() for line in file.read_text().splitlines()]
        return [text for text in self.said if text not in kept]


@pytest.fixture
def app(hvclock, tmp_path):
    app = App(hvclock, tmp_path)
    app.start()
    yield app
    app.stop()


@pytest.mark.breaks_under(
    "boot-linux-on-a-tokyo-host", "at midnight the log of the day is overwritten", condition=UNREPAIRED
)
@pytest.mark.hvclock(start="2026-01-05T15:30:00Z")
def test_logging_loses_no_line(hvclock, app):
    app.log("a day's work")
    app.stop()
    hvclock.advance("30 min")
    hvclock.strike()
    app.start()
    app.log("up again")
    hvclock.advance("10 s")
    app.log("ready")
    app.stop()
    app.start()
    hvclock.advance("12 h")
    app.log("the next morning")
    assert app.lost() == []


@pytest.mark.breaks_under("restore-after-a-month", "a minute's work is said to have taken 30 days")
@pytest.mark.breaks_under("boot-linux-on-a-tokyo-host", "a minute's work is said to have taken -8:59:00")
def test_tqdm_tells_how_long_a_minutes_work_took(hvclock):
    hvclock.strike()
    with tqdm(total=100, file=io.StringIO()) as bar:
        hvclock.advance("60 s")
        assert 59 <= bar.format_dict["elapsed"] <= 61


def test_statsd_tells_how_long_a_minutes_work_took(hvclock):
    hvclock.strike()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        client = StatsClient(*server.getsockname())
        with client.timer("work"):
            hvclock.advance("60 s")
        client.close()
        milliseconds = server.recv(100).decode().removeprefix("work:").removesuffix("|ms")
    assert 59_000 <= float(milliseconds) <= 61_000
