"""The house: imports go down only, four walls stand, and nothing is imported before it is needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_hvclock

SOURCE = Path(pytest_hvclock.__file__).parent
FLOORS = (
    ("units", "errors"),
    ("clocks",),
    ("disciplines", "drifts"),
    ("model",),
    ("anomalies", "timeline"),
    ("scenarios", "running", "report"),
    ("judge",),
    ("recovery", "claims", "conformance", "explore", "migration", "__main__"),
    ("plugin", "strategies"),
)
"""From the ground up. Rooms of one floor do not import each other."""
UPWARD = ("model/guest.py", "pytest_hvclock.running")
"""The contract has ``running`` on the guest: the one step up, and taken only when somebody runs."""

MODULES = sorted(SOURCE.rglob("*.py"))
NAMES = [str(path.relative_to(SOURCE)) for path in MODULES]
TESTS = [
    node.name
    for path in sorted(Path(__file__).parents[1].rglob("test_*.py"))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(node, ast.FunctionDef)
]


def floor_of(name):
    """Return the floor of a module or package below ``pytest_hvclock``."""
    room = name.split("/")[0].removesuffix(".py").split(".")[0]
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def imports(path):
    """Yield every module that a file imports when it runs, and whether that happens inside a function."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    hidden = {
        id(node)
        for guard in ast.walk(tree)
        if isinstance(guard, ast.If) and ast.unparse(guard.test) == "TYPE_CHECKING"
        for node in ast.walk(guard)
    }
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "__init__.py"])
def test_imports_go_down_only(name):
    """Every module is on a floor, and imports from lower ones or its own room."""
    floor, room = floor_of(name), name.split("/")[0].removesuffix(".py")
    for module in imports(SOURCE / name):
        if not module.startswith("pytest_hvclock.") or (name == UPWARD[0] and module.startswith(UPWARD[1])):
            continue
        other = module.split(".")[1]
        assert other == room or floor_of(other) < floor, f"{name} imports {module}"


@pytest.mark.parametrize(
    ("module", "rooms"),
    [
        ("pytest", ["plugin/", "conformance.py"]),
        ("_pytest", []),
        ("time_machine", ["running/time_machine.py"]),
        ("freezegun", ["running/freezegun.py"]),
        ("hypothesis", ["strategies/"]),
    ],
)
def test_each_library_is_imported_in_its_own_room_alone(module, rooms):
    """It is pytest at its door, each engine in its backend."""
    users = [
        name for name, path in zip(NAMES, MODULES, strict=True)
        if any(used.split(".")[0] == module for used in imports(path))
    ]  # fmt: skip
    assert [user for user in users if not any(user.startswith(room) for room in rooms)] == []


@pytest.mark.parametrize("number", range(1, 41))
def test_every_proposition_about_a_guest_s_clocks_has_a_test_with_its_number(number):
    """The forty of the sheet of facts: a test's name says which one it holds."""
    assert any(name.startswith(f"test_p{number:02d}_") for name in TESTS)


@pytest.mark.parametrize(
    "name", [name for name in NAMES if name.startswith(("clocks", "disciplines", "model", "units"))]
)
def test_the_model_reads_no_real_clock(name):
    """It imports nothing that could, not even by accident."""
    used = {module.split(".")[0] for module in imports(SOURCE / name)}
    assert not used & {"time", "random", "os", "threading"}
    text = (SOURCE / name).read_text(encoding="utf-8")
    assert not any(call in text for call in ("datetime.now(", "datetime.today(", "datetime.utcnow(", "date.today("))


def test_every_public_name_resolves():
    """What the package promises is there, and nothing is imported before somebody asks."""
    assert set(pytest_hvclock.__all__) == {"__version__", *pytest_hvclock._HOMES}
    for name in pytest_hvclock.__all__:
        assert getattr(pytest_hvclock, name) is not None
    code = (
        "import sys, pytest_hvclock; print([m for m in sys.modules if m.startswith('pytest_hvclock.')]);"
        "import pytest_hvclock.model.host, pytest_hvclock.scenarios; print('pytest' in sys.modules)"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.split() == ["[]", "False"]
    with pytest.raises(AttributeError, match="has no attribute 'Gust'"):
        pytest_hvclock.Gust  # noqa: B018  (asking is the test)


@pytest.mark.parametrize("name", NAMES)
def test_everything_public_says_what_it_is_for(name):
    """Every module, class and function without an underscore has a docstring that begins with a sentence."""
    tree = ast.parse((SOURCE / name).read_text(encoding="utf-8"))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    for node in [tree, *tree.body, *(member for owner in classes for member in owner.body)]:
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        public = documented and not getattr(node, "name", "").startswith("_")
        overloads = [ast.unparse(decorator) for decorator in getattr(node, "decorator_list", [])]
        if public and "overload" not in overloads and not any(decorator.endswith(".setter") for decorator in overloads):
            assert ast.get_docstring(node), f"{name}: {getattr(node, 'name', 'the module')}"
