"""Where a program keeps references of its own to functions of the ``time`` module.

``from time import monotonic``, a default argument, a closure, an attribute: setting ``time.monotonic`` reaches none of
them. The garbage collector knows who refers to what, so it is asked; the answer holds until somebody takes another
reference, and CPython's reference counts tell when that is. Plain lists, tuples and dictionaries are left alone: a
program that keeps a function as a value in a container of its own keeps the real one.
"""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable, Iterable
from functools import partial
from types import CellType, FunctionType, ModuleType
from typing import Any

Function = Callable[..., Any]
Setter = Callable[[Any, Any], None]
"""Puts the second value in a place that holds the first; what somebody else has put there meanwhile stays."""
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

    def replace(self, replacement: Replace) -> list[Callable[[], None]]:
        """Put something else in every place; returns what puts each one back."""
        if self._functions and (not self._counts or self._count() != self._counts):
            self._places = self._find()
            if self._forget:
                named = {id(function) for _, function, _ in self._places}
                self._functions = tuple(function for function in self._functions if id(function) in named)
            self._counts = self._count()
        undo: list[Callable[[], None]] = []
        for owner, function, put in self._places:
            new = replacement(owner, function)
            if new is not None:
                put(function, new)
                undo.append(partial(put, new, function))
        return undo

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
        holders = [holder for holder in gc.get_referrers(*self._functions) if holder is not self._functions]
        nested = [holder for holder in holders if type(holder) in (dict, tuple, CellType, staticmethod)]
        owners = _owners_of(nested)
        inner = {CellType: tuple, staticmethod: dict}  # a closure's cells, and the namespace of a class
        owners |= _owners_of(
            [owner for holder in nested for owner in owners[id(holder)] if type(owner) is inner.get(type(holder))]
        )
        places: list[tuple[str, Function, Setter]] = []
        for holder in holders:
            places += _places_in(holder, owners, wanted)
        return places


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
    if isinstance(holder, dict):
        return _places_in_namespace(holder, owners, wanted)
    if isinstance(holder, tuple):
        functions = [owner for owner in owners if isinstance(owner, FunctionType) and owner.__defaults__ is holder]
        return [
            (owner.__module__ or "", value, _default_setter(owner, index))
            for owner in functions
            for index, value in enumerate(holder)
            if id(value) in wanted
        ]
    if isinstance(holder, CellType):
        return [(_module_of_cell(owners, owners_of), holder.cell_contents, _cell_setter(holder))]
    if isinstance(holder, staticmethod):
        return [
            (owner.get("__module__", ""), wanted[id(holder.__func__)], _class_setter(owner_class, name))
            for owner in owners
            if isinstance(owner, dict)
            for owner_class in owners_of.get(id(owner), ())
            if isinstance(owner_class, type)
            for name, value in list(owner.items())
            if value is holder
        ]
    if isinstance(holder, partial):
        return [(type(holder).__module__, holder.func, _partial_setter(holder))] if id(holder.func) in wanted else []
    if isinstance(holder, list | set | frozenset | ModuleType) or not hasattr(holder, "__dict__"):
        return []
    return [
        (type(holder).__module__, value, setter)
        for name, value in list(vars(holder).items())
        if id(value) in wanted and (setter := _attribute_setter(holder, name)) is not None
    ]


def _places_in_namespace(
    holder: dict[Any, Any], owners: list[Any], wanted: dict[int, Function]
) -> list[tuple[str, Function, Setter]]:
    """Return the places in a dictionary that is some object's namespace, and none in one that is plain data."""
    names = [name for name, value in list(holder.items()) if isinstance(name, str) and id(value) in wanted]
    module = holder.get("__name__")
    if isinstance(module, str) and "__spec__" in holder:
        return [(module, holder[name], _item_setter(holder, name)) for name in names]
    for owner in owners:
        if isinstance(owner, FunctionType) and owner.__kwdefaults__ is holder:
            return [(owner.__module__ or "", holder[name], _item_setter(holder, name)) for name in names]
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

    def put(old: Any, new: Any) -> None:
        if namespace.get(name) is old:
            namespace[name] = new

    return put


def _cell_setter(cell: CellType) -> Setter:
    """Return what sets a variable of a closure."""

    def put(old: Any, new: Any) -> None:
        try:
            if cell.cell_contents is old:
                cell.cell_contents = new
        except ValueError:
            pass  # the variable has been deleted

    return put


def _default_setter(function: FunctionType, index: int) -> Setter:
    """Return what sets one default argument of a function that may be gone by then."""
    reference = weakref.ref(function)

    def put(old: Any, new: Any) -> None:
        owner = reference()
        defaults = list(owner.__defaults__ or ()) if owner is not None else []
        if owner is not None and index < len(defaults) and defaults[index] is old:
            defaults[index] = new
            owner.__defaults__ = tuple(defaults)

    return put


def _class_setter(owner: type, name: str) -> Setter:
    """Return what sets an attribute of a class that may be gone by then; functions become static methods."""
    reference = weakref.ref(owner)
    was_static = isinstance(vars(owner).get(name), staticmethod)

    def put(old: Any, new: Any) -> None:
        found = reference()
        held = vars(found).get(name) if found is not None else None
        if found is not None and (held.__func__ if isinstance(held, staticmethod) else held) is old:
            setattr(found, name, staticmethod(new) if was_static else new)

    return put


def _attribute_setter(owner: Any, name: str) -> Setter | None:
    """Return what sets an attribute of an object that may be gone by then, or None if that cannot be told."""
    try:
        reference = weakref.ref(owner)
    except TypeError:
        return None

    def put(old: Any, new: Any) -> None:
        found = reference()
        if found is not None and found.__dict__.get(name) is old:
            found.__dict__[name] = new

    return put


def _partial_setter(holder: partial[Any]) -> Setter:
    """Return what makes a ``functools.partial``, which may be gone by then, call another function."""
    reference = weakref.ref(holder)

    def put(old: Any, new: Any) -> None:
        found = reference()
        if found is not None and found.func is old:
            found.__setstate__((new, found.args, found.keywords, vars(found)))  # type: ignore[attr-defined]

    return put
