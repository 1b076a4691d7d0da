"""The page of a run in a real Chromium, by its DevTools protocol: ``tox -e browser``, which fails without one."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gallery import timeline_of

from pytest_hvclock.report.files import merged, write_page

LAUNCH = """
import fcntl, os, sys
for number, fd in enumerate([fcntl.fcntl(int(fd), fcntl.F_DUPFD, 10) for fd in sys.argv[1:3]], 3):
    os.dup2(fd, number)
os.execvp(sys.argv[3], sys.argv[3:])
"""
"""Chromium listens on 3 and answers on 4."""


class Browser:
    """A Chromium without a window, and one page in it; what it has logged and asked for is kept."""

    def __init__(self, profile: Path) -> None:
        """Start it.

        Raises:
            pytest.fail.Exception: if there is none: a page that nobody opened is not tested.
        """
        program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        if program is None:
            pytest.fail("there is no Chromium to open the page with: apt-get install chromium", pytrace=False)
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run")
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                LAUNCH,
                str(to_read),
                str(to_write),
                program,
                *options,
                f"--user-data-dir={profile}",
            ],
            pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self._buffer, self._number, self._session = b"", 0, ""
        self.logged: list[str] = []
        self.requests: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """Ask for something, and return the answer."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            read = os.read(self._read, 1 << 20)
            assert read, "Chromium has gone"
            self._buffer += read
        raw, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(raw)
        method, given = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(given["request"]["url"])
        elif method in {"Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"}:
            self.logged.append(json.dumps(given))
        return message

    def open(self, path: Path) -> None:
        """Open a file, and wait until it is there."""
        self.call("Page.navigate", url=path.as_uri())
        while self._message().get("method") != "Page.loadEventFired":
            pass

    def run(self, script: str) -> Any:
        """Return what a script in the page comes to."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """Press a key."""
        text = {"text": key} if len(key) == 1 else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def show(self, width: int, height: int, scheme: str) -> bytes:
        """Show the page in a window of a size, light or dark, and return a picture of it."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        return base64.b64decode(self.call("Page.captureScreenshot")["data"])

    def quit(self) -> None:
        """End it."""
        os.close(self._write)
        self._process.terminate()
        self._process.wait(30)
        os.close(self._read)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A Chromium for all tests of the page."""
    started = Browser(tmp_path_factory.mktemp("profile"))
    yield started
    started.quit()


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Browser:
    """The page of a run with a failed and a passed test."""
    passed = replace(timeline_of("drift-500ppm"), outcome="passed", failure="")
    run = merged("0.1.0", [timeline_of("restore-after-a-month"), passed])
    browser.logged.clear()
    browser.requests.clear()
    browser.open(write_page(run, tmp_path))
    return browser


OPEN = """(async (number) => {
    const test = document.querySelectorAll("details.test")[number];
    test.open = true;
    for (let wait = 0; wait < 200 && !test.querySelector("svg[role=group]"); wait++)
        await new Promise((done) => setTimeout(done, 25));
    test.querySelector("figure").focus();
    return !!test.querySelector("svg[role=group] .curve");
})"""
BOX = "document.activeElement.closest('figure').querySelector('svg').getAttribute('viewBox').split(' ').map(Number)"


def test_the_page_opens_without_an_error_and_asks_for_nothing_else(opened: Browser, tmp_path: Path) -> None:
    """Drawings of both kinds are there when their tests are opened."""
    assert opened.run("document.querySelectorAll('details.test').length") == 2
    assert opened.run(f"{OPEN}(0)") is True
    assert opened.run(f"{OPEN}(1)") is True
    assert [url for url in opened.requests if not url.startswith("data:")] == [(tmp_path / "index.html").as_uri()]
    assert opened.logged == []


@pytest.mark.parametrize("number", [0, 1])
def test_the_keyboard_zooms_moves_and_shows_all(opened: Browser, number: int) -> None:
    """By the drawing's own keys; zooming changes what its ``viewBox`` shows."""
    opened.run(f"{OPEN}({number})")
    whole = opened.run(BOX)
    opened.press("+")
    zoomed = opened.run(BOX)
    assert zoomed[2] == pytest.approx(whole[2] / 1.5)
    opened.press("ArrowRight")
    assert opened.run(BOX)[0] > zoomed[0]
    opened.press("-")
    assert opened.run(BOX) == pytest.approx(whole)
    opened.press("+")
    opened.press("0")
    assert opened.run(BOX) == pytest.approx(whole)
    assert opened.logged == []


def test_zooming_keeps_in_view_what_one_looks_at(opened: Browser) -> None:
    """The strike; or the reading that has the focus. Lines stay thin, and letters grow slower than lengths."""
    opened.run(f"{OPEN}(1)")
    seen = (
        "((kind) => {const svg = document.activeElement.closest('figure').querySelector('svg');"
        "const [all, it] = [svg, svg.querySelector(kind)].map((shown) => shown.getBoundingClientRect());"
        "return all.left <= it.right && it.left <= all.right && all.top <= it.bottom && it.top <= all.bottom})"
    )
    for _ in range(6):
        opened.press("+")
    assert opened.run(f"{seen}('.struck')") is True
    style = "getComputedStyle(document.activeElement.closest('figure').querySelector('{}')).{}"
    assert opened.run(style.format(".tick", "vectorEffect")) == "non-scaling-stroke"
    assert 3 <= float(opened.run(style.format("text", "fontSize")).removesuffix("px")) < 4
    opened.press("0")
    opened.run("[...document.querySelectorAll('details[open] .read')].at(-1).focus()")
    for _ in range(6):
        opened.press("+")
    assert opened.run(f"{seen}('.read:focus')") is True
    assert opened.run(f"{seen}('.struck')") is False
    assert opened.logged == []


def test_the_command_is_copied_and_the_button_says_so(opened: Browser) -> None:
    """For a moment."""
    opened.run(f"{OPEN}(1)")
    opened.run("document.querySelector('details[open] .copy').click()")
    button = "document.querySelector('details[open] .copy').textContent"
    told = "(async (text) => {for (let wait = 0; wait < 400 && BUTTON !== text; wait++) "
    told += "await new Promise((done) => setTimeout(done, 25)); return BUTTON})"
    for text in ("Copied", "Copy"):
        assert opened.run(f"{told.replace('BUTTON', button)}('{text}')") == text


def test_a_reading_says_its_line_and_its_value_on_focus(opened: Browser) -> None:
    """And by its label, for who does not see it."""
    opened.run(f"{OPEN}(1)")
    opened.run("document.querySelector('details[open] .wrong').focus()")
    said = opened.run("document.activeElement.closest('figure').querySelector('output').textContent")
    assert said == opened.run("document.activeElement.getAttribute('aria-label')")
    assert said.startswith("app/lease.py:11 read 2026-01-01T00:00:15Z on the wall clock, 30 d behind")


def test_the_index_is_filtered_by_outcome_scenario_and_words(opened: Browser) -> None:
    """Each by itself."""
    shown = "[...document.querySelectorAll('details.test:not([hidden])')].map((test) => test.dataset.scenario)"
    change = "((name, value) => {const form = document.forms[0]; form.reset(); form.elements[name].value = value;"
    change += "form.dispatchEvent(new Event('input'))})"
    for name, value in (("outcome", "failed"), ("scenario", "restore-after-a-month"), ("search", "RENEW month")):
        opened.run(f"{change}('{name}', '{value}')")
        assert opened.run(shown) == ["restore-after-a-month"]


def test_the_page_is_light_and_dark_and_fits_a_phone(opened: Browser) -> None:
    """The colours follow the system, the drawing's too; nothing but a drawing is wider than the screen."""
    opened.run(f"{OPEN}(1)")
    colours = {}
    for scheme in ("light", "dark"):
        assert opened.show(390, 800, scheme).startswith(b"\x89PNG")
        assert opened.run("document.documentElement.scrollWidth") <= 390
        colours[scheme] = opened.run(
            "[document.body, document.querySelector('.paper')].map((it) => getComputedStyle(it)).map((it) => "
            "it.fill === 'rgb(0, 0, 0)' ? it.backgroundColor : it.fill)"
        )
    assert colours == {"light": ["rgb(255, 255, 255)"] * 2, "dark": ["rgb(18, 22, 31)"] * 2}
    assert opened.show(1200, 900, "light") != opened.show(1200, 900, "dark")
