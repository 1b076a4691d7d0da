"""Modules that are imported while a guest runs, and that have to be looked at before anybody uses them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

Arrived = Callable[[ModuleType], None]


class Latecomers(MetaPathFinder):
    """Announces each wanted module right after it was imported; finds nothing by itself."""

    def __init__(self, wanted: Callable[[str], bool], arrived: Arrived) -> None:
        """Call ``arrived`` with every module whose name is ``wanted``."""
        self._wanted = wanted
        self._arrived = arrived

    def install(self) -> None:
        """Be asked first about every import."""
        sys.meta_path.insert(0, self)

    def remove(self) -> None:
        """Be asked no more."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Let the others find a wanted module, and ask to be told when it has been loaded."""
        if not self._wanted(fullname):
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find(fullname, path, target) if finder is not self and find is not None else None
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Announcing(spec.loader, self._arrived)
                return spec
        return None


class _Announcing(Loader):
    """Loads as another loader does, steps back, and tells."""

    def __init__(self, loader: Loader, arrived: Arrived) -> None:
        self._loader = loader
        self._arrived = arrived

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._arrived(module)
