"""Look at two builds of the package as somebody would who gets one: ``python tools/check_package.py ONE TWO``.

ONE has what would be uploaded, as ``python -m build`` makes it: the wheel from the sdist. In TWO both are made from the
tree. They have to be the same bytes: so the sdist builds the wheel that the tree does, and whoever builds again gets
what was uploaded. Then the wheel alone is installed into an empty environment, and has to say what it is and to run a
test.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from hashlib import sha256
from pathlib import Path

TEST = """
import time

import pytest


@pytest.mark.hvclock("drift-500ppm")
def test_a_day_on_a_guest(hvclock):
    time.sleep(86_400)
    assert 43 < time.time() - hvclock.host.true_ns / 1e9 < 44
"""
ANSWERS = {
    ("--help",): ("Hyper-V guest clock:", "--hvclock=SCENARIO", "hvclock_start (string):"),
    ("--markers",): ("@pytest.mark.hvclock(", "@pytest.mark.hvclock_recovers("),
    ("--fixtures",): ("The Hyper-V guest whose clocks this test reads.",),
    ("--hvclock-scenarios",): ("restore-after-a-month",),
    (): ("1 passed",),
}
"""What a new user types after ``pytest``, and what the answers have to have."""


def sums(directory: Path) -> dict[str, str]:
    """Return the SHA-256 of each distribution in a directory, by its name."""
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in directory.iterdir()}


def differences(one: Path, two: Path) -> list[str]:
    """Say where two builds differ, a line for each distribution."""
    first, second = sums(one), sums(two)
    if sorted(name.rpartition(".")[2] for name in first) != ["gz", "whl"]:
        return [f"{one}: not a wheel and an sdist, but {', '.join(sorted(first)) or 'nothing'}"]
    return [
        f"{name}: {first.get(name, 'not in the first build')}, and built again {second.get(name, 'not there')}"
        for name in sorted({*first, *second})
        if first.get(name) != second.get(name)
    ]


def missing_answers(wheel: Path) -> list[str]:
    """Install a wheel alone, and say what it does not answer, a line for each."""
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        venv.create(scratch / "empty", with_pip=True)
        python = next((scratch / "empty").glob("[bS]*/python*"))  # bin/python, or Scripts\python.exe
        (scratch / "test_new.py").write_text(TEST, encoding="utf-8")
        for command in (["install", "--quiet", "--disable-pip-version-check", str(wheel)], ["check"]):
            subprocess.run([python, "-m", "pip", *command], check=True)
        missing = []
        for typed, answers in ANSWERS.items():
            done = subprocess.run(
                [python, "-W", "error", "-m", "pytest", "-W", "error", *typed],
                cwd=scratch,
                capture_output=True,
                encoding="utf-8",
                check=False,
            )
            missing += [
                f"pytest {' '.join(typed)}: no {answer!r} in\n{done.stdout}{done.stderr}"
                for answer in answers
                if done.returncode or answer not in done.stdout
            ]
        return missing


def main(one: Path, two: Path) -> int:
    """Check both builds; returns the exit code."""
    wrong = differences(one, two) or missing_answers(next(one.glob("*.whl")))
    for line in wrong:
        print(line, file=sys.stderr)
    if not wrong:
        for name, digest in sorted(sums(one).items()):
            print(f"{digest}  {name}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
