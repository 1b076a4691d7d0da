"""References to a function of the ``time`` module that were taken before the guest read the guest, in every style."""

import functools
import importlib
import itertools
import sys
import time
from types import SimpleNamespace

import pytest

SOURCE = '''
import functools
import time
from dataclasses import dataclass, field
from time import {name} as from_import


def by_default(read=time.{name}):
    return read()


def by_keyword(*, read=time.{name}):
    return read()


def make_closure():
    read = time.{name}

    def closure():
        return read()

    return closure


class Holder:
    attribute = time.{name}
    static = staticmethod(time.{name})

    def __init__(self):
        self.own = time.{name}

    def method(self, read=time.{name}):
        return read()


class Inherits(Holder):
    pass


@dataclass
class Record:
    at: float = field(default_factory=time.{name})


class Slotted:
    __slots__ = ("__weakref__", "own")

    def __init__(self):
        self.own = time.{name}


def call(*functions, **named):
    return [function() for function in (*functions, *named.values())][-1]


made = {{"factory": time.{name}}}
exec("def make(): return factory()", made)  # as attrs makes the method that calls a factory
make = made["make"]
closure = make_closure()
holder = Holder()
slotted = Slotted()
partial = functools.partial(time.{name})
passing = functools.partial(call, time.{name}, time.{name})
naming = functools.partial(call, read=time.{name})
in_a_list, in_a_dict, in_a_tuple = [time.{name}], {{"read": time.{name}}}, (time.{name},)

STYLES = {{
    "module attribute": lambda: time.{name}(),
    "from-import": lambda: from_import(),
    "default argument": by_default,
    "keyword default": by_keyword,
    "closure": closure,
    "class attribute": lambda: Holder.attribute(),
    "class attribute of an instance": lambda: holder.attribute(),
    "static method": lambda: Holder.static(),
    "static method of an instance": lambda: holder.static(),
    "inherited attribute": lambda: Inherits.attribute(),
    "default of a method": lambda: holder.method(),
    "instance attribute": lambda: holder.own(),
    "functools.partial": lambda: partial(),
    "argument of functools.partial": lambda: passing(),
    "keyword of functools.partial": lambda: naming(),
    "slot": lambda: slotted.own(),
    "globals of a function that was made": lambda: make(),
    "default_factory": lambda: Record().at,
}}
CONTAINERS = {{
    "list": lambda: in_a_list[0](),
    "dict": lambda: in_a_dict["read"](),
    "tuple": lambda: in_a_tuple[0](),
}}


def held():
    """Return what is held now, in every place."""
    return [
        time.{name},
        from_import,
        by_default.__defaults__[0],
        by_keyword.__kwdefaults__["read"],
        closure.__closure__[0].cell_contents,
        vars(Holder)["attribute"],
        vars(Holder)["static"].__func__,
        Holder.method.__defaults__[0],
        holder.own,
        partial.func,
        *passing.args,
        naming.keywords["read"],
        slotted.own,
        made["factory"],
    ]
'''
STYLES = [
    *("module attribute", "from-import", "default argument", "keyword default", "closure", "class attribute"),
    *("class attribute of an instance", "static method", "static method of an instance", "inherited attribute"),
    *("default of a method", "instance attribute", "functools.partial", "argument of functools.partial"),
    *("keyword of functools.partial", "slot", "globals of a function that was made", "default_factory"),
]
numbers = itertools.count()


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Import a library that keeps references to one function of the ``time`` module in every style."""
    monkeypatch.syspath_prepend(tmp_path)

    def load(name):
        module = f"library_{next(numbers)}"
        (tmp_path / f"{module}.py").write_text(SOURCE.format(name=name), encoding="utf-8")
        return importlib.import_module(module)

    yield load
    for name in [name for name in sys.modules if name.startswith("library_")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("monotonic", lambda guest: guest.monotonic_ns / 1e9),
        ("monotonic_ns", lambda guest: guest.monotonic_ns),
        ("perf_counter", lambda guest: guest.monotonic_ns / 1e9),
        ("perf_counter_ns", lambda guest: guest.monotonic_ns),
        ("time", lambda guest: guest.wall_ns / 1e9),
        ("time_ns", lambda guest: guest.wall_ns),
        ("gmtime", lambda guest: time.gmtime(guest.wall_ns / 1e9)),
        ("ctime", lambda guest: time.ctime(guest.wall_ns / 1e9)),
        ("asctime", lambda guest: time.ctime(guest.wall_ns / 1e9)),
    ],
)
def test_a_reference_in_every_style_reads_the_guest(guest, library, name, expected):
    """Whichever way a program has kept the function, it reads the guest, and has the real one back afterwards."""
    module = library(name)
    real = getattr(time, name)
    guest.advance("1234567.891 s")
    with guest.running():
        assert {style: module.STYLES[style]() for style in STYLES} == dict.fromkeys(STYLES, expected(guest))
        guest.advance("1 h")
        assert {style: module.STYLES[style]() for style in STYLES} == dict.fromkeys(STYLES, expected(guest))
    assert [value is real for value in module.held()] == [True] * len(module.held())


def test_every_style_sleeps_on_the_guest(guest, library):
    """A year of sleeping by reference takes no real time."""
    module = library("sleep")
    before_ns = guest.monotonic_ns
    seconds = 365 * 86_400
    with guest.running():
        module.from_import(seconds)
        module.closure.__closure__[0].cell_contents(seconds)
        module.by_default.__defaults__[0](seconds)
        module.Holder.attribute(seconds)
        module.holder.static(seconds)
        module.partial(seconds)
    assert guest.monotonic_ns - before_ns == 6 * seconds * 1_000_000_000
    assert all(value is time.sleep for value in module.held())


def test_plain_containers_keep_the_real_function(guest, library):
    """A list, a dictionary or a tuple of a program is its data, which nobody rewrites."""
    module = library("monotonic")
    real = time.monotonic
    held = module.in_a_list[0], module.in_a_dict["read"], module.in_a_tuple[0]
    with guest.running():
        before = [real()] * 3
        read = [module.CONTAINERS[kind]() for kind in ("list", "dict", "tuple")]
        assert [0 <= later - earlier < 60 for earlier, later in zip(before, read, strict=True)] == [True] * 3
        assert (module.in_a_list[0], module.in_a_dict["read"], module.in_a_tuple[0]) == held
        assert held == (module.in_a_list[0],) * 3
    assert all(value is time.monotonic for value in held)


def test_containers_follow_the_wall_clock(guest, library):
    """time-machine patches the built-ins themselves, so that the wall clock reaches containers as well."""
    module = library("time")
    with guest.running():
        assert {read() for read in module.CONTAINERS.values()} == {guest.wall_ns / 1e9}


def test_a_library_that_came_between_two_guests_is_found(guest, library):
    """The references are looked for again when there may be new ones."""
    first = library("monotonic")
    with guest.running():
        assert first.from_import() == guest.monotonic_ns / 1e9
    second = library("monotonic")
    with guest.running():
        assert [first.from_import(), second.from_import(), second.closure()] == [guest.monotonic_ns / 1e9] * 3


def test_a_reference_taken_while_another_is_let_go_is_found(guest, library):
    """The number of references is the same as before, and the places are not."""
    module = library("monotonic")
    with guest.running():
        assert module.holder.own() == guest.monotonic_ns / 1e9
    other = module.Record(0)
    before = sys.getrefcount(time.monotonic)
    del module.holder.own
    other.own = time.monotonic
    after = sys.getrefcount(time.monotonic)
    assert after == before
    with guest.running():
        assert other.own() == guest.monotonic_ns / 1e9
    assert other.own is time.monotonic


def test_a_module_that_is_executed_again_between_two_guests_is_found(guest, library):
    """Its new functions have taken the places of the old ones, and their references too."""
    module = library("monotonic")
    for _ in range(3):
        with guest.running():
            assert {style: module.STYLES[style]() for style in STYLES} == dict.fromkeys(
                STYLES, guest.monotonic_ns / 1e9
            )
        importlib.reload(module)
    assert [value is time.monotonic for value in module.held()] == [True] * len(module.held())


def test_what_cannot_be_set_or_kept_weakly_stays_real(guest):
    """Code that keeps a function where nobody can put another reads the real clock, as the documents say."""

    class Slotted:
        __slots__ = ("own",)

    def generate():
        read = time.monotonic
        while True:
            yield read()

    slotted, namespace, generator = Slotted(), SimpleNamespace(own=time.monotonic), generate()
    slotted.own = time.monotonic
    cached = functools.lru_cache(time.monotonic)
    before = next(generator)
    with guest.running():
        readings = [slotted.own(), namespace.own(), next(generator), cached()]
    assert [0 <= reading - before < 60 for reading in readings] == [True] * 4


def test_a_library_that_is_imported_on_the_guest_is_right_after_it(guest, library):
    """References that were taken inside a guest read the guest, and after it the real clock."""
    with guest.running():
        module = library("monotonic")
        assert {read() for read in module.STYLES.values()} == {guest.monotonic_ns / 1e9}
    now = time.monotonic()
    read = {style: module.STYLES[style]() - now for style in STYLES}
    assert [style for style in STYLES if not 0 <= read[style] < 60] == []
    assert [value is time.monotonic for value in module.held()] == [True] * len(module.held())


def test_what_was_saved_on_the_guest_and_given_back_on_it_is_real_after_it(guest, library):
    """A patch that is undone before the guest is left gives back the guest's function, and that is put right."""
    module = library("monotonic")
    for _ in range(2):
        with guest.running(), pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "from_import", lambda: 42.0)
            patch.setattr(time, "monotonic", lambda: 42.0)
            patch.setattr(module.holder, "own", lambda: 42.0)
            assert module.from_import() == time.monotonic() == 42.0
        assert [value is module.in_a_list[0] for value in module.held()] == [True] * len(module.held())


def test_holders_may_be_gone_when_the_guest_is_left(guest, library):
    """Objects that held a reference are free to go while the guest runs."""
    module = library("monotonic")
    with guest.running():
        del module.holder, module.partial, module.by_default, module.by_keyword, module.closure
        module.STYLES.clear()
    assert module.from_import is time.monotonic


def test_a_value_that_the_program_set_meanwhile_is_kept(guest, library, monkeypatch):
    """A program that puts a clock of its own in place while the guest runs has it afterwards as well."""
    module = library("monotonic")
    monkeypatch.setattr(module.holder, "own", module.holder.own)

    def mine():
        return 42.0

    with guest.running():
        module.from_import = mine
        module.holder.own = mine
        module.by_default.__defaults__ = (mine,)
        module.Holder.attribute = mine
    assert (module.from_import, module.holder.own, module.by_default(), vars(module.Holder)["attribute"]) == (
        *(mine, mine, 42.0, mine),
    )


def test_what_monkeypatch_had_replaced_when_the_guest_was_entered_reads_the_next_one(python):
    """It is put back between two guests, and no count of references tells: one goes as another comes."""
    assert python("""
        import pytest, types
        with guest.running():
            pass
        kept = types.ModuleType("kept")
        exec("import time\\nclass Holder: pass\\nread = Holder.read = time.monotonic", vars(kept))
        sys.modules["kept"] = kept
        replaced = (time, "monotonic"), (kept, "read"), (kept.Holder, "read")
        for backend in ("time-machine", "freezegun"):
            patches = pytest.MonkeyPatch()
            for owner, name in replaced:
                patches.setattr(owner, name, lambda: 8.0)
            with guest.running(backend):
                print(*(getattr(owner, name)() for owner, name in replaced))
            patches.undo()
            with guest.running(backend):
                print(len({getattr(owner, name)() for owner, name in replaced} | {guest.monotonic_ns / 1e9}))
    """) == ["8.0 8.0 8.0", "1", "8.0 8.0 8.0", "1"]


@pytest.mark.parametrize("backend", ["time-machine", "freezegun"])
def test_what_monkeypatch_gives_back_on_a_guest_is_real_after_it(python, backend):
    """It gives back what it found, and found the guest's."""
    assert python(f"""
        import pytest
        real = time.time, time.time_ns, time.monotonic, time.sleep
        with guest.running({backend!r}) as running:
            patches = pytest.MonkeyPatch()
            for name in ("time", "time_ns", "monotonic", "sleep"):
                patches.setattr(time, name, lambda: 8.0)
            patches.undo()
        print((time.time, time.time_ns, time.monotonic, time.sleep) == real)
        running = guest.running({backend!r})
        running.__enter__()
        patches.setattr(time, "time", lambda: 8.0)
        running.suspend()  # between the body of a test and its teardown, in which monkeypatch gives back
        running.resume()
        patches.undo()
        running.__exit__(None, None, None)
        print((time.time, time.time_ns, time.monotonic, time.sleep) == real)
    """) == ["True", "True"]
