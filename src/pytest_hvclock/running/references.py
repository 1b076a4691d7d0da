"""Where a program keeps references of its own to functions of the ``time`` module.

``from time import monotonic``, a default argument, a closure, an attribute: setting ``time.monotonic`` reaches none of
them. The garbage collector knows who refers to what, so it is asked; the answer holds until somebody takes another
reference, or lets go of one, and CPython's reference counts and the places themselves tell when that is. Plain lists,
tuples and dictionaries are left alone: a program that keeps a function as a value in a container of its own keeps the
real one. So does what cannot be set from outside (a local variable of a generator, ``lru_cache`` around the function
itself, a ``ContextVar``), and an object that nobody can refer to weakly, because an index must not keep it alive.
"""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable, Iterable
from functools import partial
from types import CellType, FunctionType, MemberDescriptorType, ModuleType, UnionType
from typing import Any

from pytest_hvclock.errors import BackendError

Function = Callable[..., Any]
Setter = Callable[[Any, Any], bool]
"""Puts the second value in a place that holds the first, and says whether it did; what somebody else has put there
meanwhile stays."""
PutBack = Callable[[], object]
"""Puts back what was in a place before."""
Replace = Callable[[str, Function], Function | None]
"""Given the name of the module that owns a reference and what it refers to, what to put there, or None for nothing."""


class References:
    """The places that refer to some functions, found once and found again only when there may be new ones."""

    def __init__(self, functions: Iterable[Function], *, forget: bool = False) -> None:
        """Look for references to ``functions``; with ``forget``, let go of those that nobody has a name for."""
        self._functions = tuple(functions)
        self._forget = forget
        self._counts: tuple[int, ...] = ()
        self._places: list[tuple[str, Function, Setter]] = []

    def replace(self, replacement: Replace) -> list[PutBack]:
        """Put something else in every place; returns what puts each one back."""
        if self._functions and (not self._counts or self._count() != self._counts):
            self._look()
        undo, all_hold = self._put(replacement)
        if not all_hold:  # whoever has let go of a reference may have taken another: the count would be the same
            for put_back in undo:
                put_back()
            self._look()
            undo, _ = self._put(replacement)
        return undo

    def _put(self, replacement: Replace) -> tuple[list[PutBack], bool]:
        """Put something else in every place; returns what puts each back, and whether all places still were such."""
        undo: list[PutBack] = []
        all_hold = True
        for owner, function, put in self._places:
            new = replacement(owner, function)
            held = put(function, function if new is None else new)
            all_hold = all_hold and held
            if held and new is not None:
                undo.append(partial(put, new, function))
        return undo, all_hold

    def _look(self) -> None:
        """Look for the places anew."""
        self._places = self._find()
        if self._forget:
            named = {id(function) for _, function, _ in self._places}
            self._functions = tuple(function for function in self._functions if id(function) in named)
        self._counts = self._count()

    def settle(self) -> None:
        """Take it that nobody has taken a reference so far who matters."""
        self._places, self._counts = [], self._count()

    def _count(self) -> tuple[int, ...]:
        """Return how many references there are to each function; nothing where nobody counts, as in PyPy."""
        count = getattr(sys, "getrefcount", None)
        return tuple(map(count, self._functions)) if count is not None else ()

    def _find(self) -> list[tuple[str, Function, Setter]]:
        """Ask the garbage collector, and keep those answers that are somebody's name for a function."""
        wanted = {id(function): function for function in self._functions}
        holders: list[object] = [each for each in gc.get_referrers(*self._functions) if each is not self._functions]
        nested = [holder for holder in holders if type(holder) in (dict, tuple, CellType, staticmethod)]
        owners = _owners_of(nested)
        # a closure's cells, and the namespace of a class
        inner = dict[object, type]({CellType: tuple, staticmethod: dict})
        owners |= _owners_of(
            [owner for holder in nested for owner in owners[id(holder)] if type(owner) is inner.get(type(holder))]
        )
        places: list[tuple[str, Function, Setter]] = []
        for holder in holders:
            places += _places_in(holder, owners, wanted)
        return places


def _is(thing: object, kind: type | UnionType) -> bool:
    """Whether something is of a kind, without asking itself, which might make a lazy object import others."""
    return issubclass(type(thing), kind)


def _owners_of(held: list[Any]) -> dict[int, list[Any]]:
    """Return who refers to each of some objects, by its ``id``: one look at everything there is, for all of them."""
    owners: dict[int, list[Any]] = {id(one): [] for one in held}
    for owner in gc.get_referrers(*held) if held else ():
        if owner is not held:
            for referent in gc.get_referents(owner):
                if id(referent) in owners:
                    owners[id(referent)].append(owner)
    return owners


def _places_in(  # noqa: PLR0911  (one answer for each kind of holder)
    holder: Any, owners_of: dict[int, list[Any]], wanted: dict[int, Function]
) -> list[tuple[str, Function, Setter]]:
    """Return the places in one object that refers to a wanted function."""
    owners = owners_of.get(id(holder), [])
    if _is(holder, dict):
        return _places_in_namespace(holder, owners, wanted)
    if _is(holder, tuple):
        held = [(index, value) for index, value in enumerate(holder) if id(value) in wanted]
        return (
            [
                (owner.__module__ or "", value, _default_setter(owner, index))
                for owner in owners
                if isinstance(owner, FunctionType) and owner.__defaults__ is holder
                for index, value in held
            ]
            + [
                (type(owner).__module__, value, _partial_setter(owner, index))
                for owner in owners
                if _is(owner, partial) and owner.args is holder
                for index, value in held
            ]
            + _places_to_come(holder, wanted)
        )
    if isinstance(holder, CellType):
        return [(_module_of_cell(owners, owners_of), holder.cell_contents, _cell_setter(holder))]
    if _is(holder, staticmethod):
        return [
            (owner.get("__module__", ""), wanted[id(holder.__func__)], _class_setter(owner_class, name))
            for owner in owners
            if _is(owner, dict)
            for owner_class in owners_of.get(id(owner), ())
            if isinstance(owner_class, type)
            for name, value in list(owner.items())
            if value is holder
        ]
    if _is(holder, partial):
        return [(type(holder).__module__, holder.func, _partial_setter(holder))] if id(holder.func) in wanted else []
    if _is(holder, list | set | frozenset | ModuleType):
        return []
    attributes = list(getattr(holder, "__dict__", {}).items())
    found = [(value, _attribute_setter(holder, name)) for name, value in attributes if id(value) in wanted]
    slotted = [vars(kind) for kind in type(holder).__mro__ if "__slots__" in vars(kind)]
    slots = [slot for kind in slotted for slot in kind.values() if type(slot) is MemberDescriptorType]
    in_slots = [(_in_slot(holder, slot), slot) for slot in slots]
    found += [(value, _slot_setter(holder, slot)) for value, slot in in_slots if id(value) in wanted]
    return [(type(holder).__module__, value, put) for value, put in found if put is not None]


def _places_to_come(kept: tuple[Any, ...], wanted: dict[int, Function]) -> list[tuple[str, Function, Setter]]:
    """Return where a function will be put back, if a tuple is monkeypatch's note of what it has replaced.

    Nothing else would tell: when it is put back, one reference to it goes as another comes.
    """
    if len(kept) != 3 or not isinstance(kept[1], str) or id(kept[2]) not in wanted:
        return []
    owner, name, function = kept
    if _is(owner, ModuleType):
        return [(owner.__name__, function, _item_setter(owner.__dict__, name))]
    return [(owner.__module__, function, _class_setter(owner, name))] if isinstance(owner, type) else []


def _places_in_namespace(
    holder: dict[Any, Any], owners: list[Any], wanted: dict[int, Function]
) -> list[tuple[str, Function, Setter]]:
    """Return the places in a dictionary that is some object's namespace, and none in one that is plain data."""
    names = [name for name, value in list(holder.items()) if isinstance(name, str) and id(value) in wanted]
    module = holder.get("__name__")
    if isinstance(module, str) and "__spec__" in holder:
        return [(module, holder[name], _item_setter(holder, name)) for name in names]
    for owner in owners:
        # the keyword defaults of a function, or the globals of one that was made by exec
        parts = (owner.__kwdefaults__, owner.__globals__) if _is(owner, FunctionType) else ()
        if any(part is holder for part in parts):
            return [(owner.__module__ or "", holder[name], _item_setter(holder, name)) for name in names]
        if _is(owner, partial) and owner.keywords is holder:
            return [(type(owner).__module__, holder[name], _item_setter(holder, name)) for name in names]
        if isinstance(owner, type):
            return [
                (owner.__module__, holder[name], _class_setter(owner, name)) for name in names if name in vars(owner)
            ]
        if getattr(owner, "__dict__", None) is holder:
            found = [(type(owner).__module__, holder[name], _attribute_setter(owner, name)) for name in names]
            return [(owner_module, value, put) for owner_module, value, put in found if put is not None]
    return []


def _module_of_cell(closures: list[Any], owners_of: dict[int, list[Any]]) -> str:
    """Return the module of the function that a closure's cell belongs to."""
    for closure in closures:
        for owner in owners_of.get(id(closure), ()):
            if isinstance(owner, FunctionType) and owner.__closure__ is closure:
                return owner.__module__ or ""
    return ""


def _item_setter(namespace: dict[str, Any], name: str) -> Setter:
    """Return what sets a name in a namespace."""

    def put(old: Any, new: Any) -> bool:
        held = namespace.get(name) is old
        if held:
            namespace[name] = new
        return held

    return put


def _cell_setter(cell: CellType) -> Setter:
    """Return what sets a variable of a closure."""

    def put(old: Any, new: Any) -> bool:
        try:
            held = cell.cell_contents is old
        except ValueError:
            return False  # the variable has been deleted
        if held:
            cell.cell_contents = new
        return held

    return put


def _default_setter(function: FunctionType, index: int) -> Setter:
    """Return what sets one default argument of a function that may be gone by then."""
    reference = weakref.ref(function)

    def put(old: Any, new: Any) -> bool:
        owner = reference()
        defaults = owner.__defaults__ or () if owner is not None else ()
        held = index < len(defaults) and defaults[index] is old
        if owner is not None and held and new is not old:
            owner.__defaults__ = (*defaults[:index], new, *defaults[index + 1 :])
        return held

    return put


def _class_setter(owner: type, name: str) -> Setter:
    """Return what sets an attribute of a class that may be gone by then; functions become static methods."""
    reference = weakref.ref(owner)
    was_static = isinstance(vars(owner).get(name), staticmethod)

    def put(old: Any, new: Any) -> bool:
        found = reference()
        held = vars(found).get(name) if found is not None else None
        if found is None or (held.__func__ if isinstance(held, staticmethod) else held) is not old:
            return False
        if new is not old:
            setattr(found, name, staticmethod(new) if was_static else new)
        return True

    return put


def _attribute_setter(owner: Any, name: str) -> Setter | None:
    """Return what sets an attribute of an object that may be gone by then, or None if that cannot be told."""
    try:
        reference = weakref.ref(owner)
    except TypeError:
        return None

    def put(old: Any, new: Any) -> bool:
        found = reference()
        held = found is not None and found.__dict__.get(name) is old
        if found is not None and held:
            found.__dict__[name] = new
        return held

    return put


def _slot_setter(owner: Any, slot: MemberDescriptorType) -> Setter | None:
    """Return what sets a slot of an object that may be gone by then, or None if that cannot be told."""
    try:
        reference = weakref.ref(owner)
    except TypeError:
        return None

    def put(old: Any, new: Any) -> bool:
        found = reference()
        held = found is not None and _in_slot(found, slot) is old
        if held:
            slot.__set__(found, new)
        return held

    return put


def _in_slot(owner: Any, slot: MemberDescriptorType) -> Any:
    """Return what is in a slot, or None."""
    try:
        return slot.__get__(owner)
    except AttributeError:
        return None


def _partial_setter(holder: partial[Any], index: int | None = None) -> Setter:
    """Return what makes a ``functools.partial``, which may be gone by then, call or pass another function."""
    reference = weakref.ref(holder)

    def put(old: Any, new: Any) -> bool:
        found = reference()
        if found is None:
            return False
        called = [found.func, *found.args]
        place = 0 if index is None else index + 1
        held = place < len(called) and called[place] is old
        if held:
            called[place] = new
            state = (called[0], tuple(called[1:]), found.keywords, vars(found))
            found.__setstate__(state)  # type: ignore[attr-defined]
        return held

    return put


def put_in_class(kind: type, name: str, value: object) -> None:
    """Put something into a class, which may be one of CPython's built-in ones.

    There the class itself refuses. Its namespace, though, is a dictionary like any other, and setting and deleting
    ``__abstractmethods__`` tells the interpreter that a class has changed, so that it forgets what it has looked up.

    Raises:
        BackendError: if an interpreter knows neither way.
    """
    try:
        setattr(kind, name, value)
    except TypeError:
        for namespace in gc.get_referents(vars(kind)):
            if isinstance(namespace, dict) and name in namespace:
                namespace[name] = value
                abstract: Any = vars(type)["__abstractmethods__"]
                abstract.__set__(kind, frozenset())
                abstract.__delete__(kind)
    if vars(kind)[name] is not value:
        raise BackendError(f"this interpreter does not let {kind.__name__}.{name} be replaced without C code")
