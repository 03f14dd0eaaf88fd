"""Stand-ins for the package `simulator`, for an interpreter on which it cannot be imported.

A file with plain Python in it often imports the simulator too, for its model or for `Plain`. To run its plain side on an
older Python, `import simulator…` is answered with names that accept everything and do nothing, but that keep what a `Plain`
says and which function `as_plain` decorated.

Like `watched.py`, this file runs on any CPython from 3.8 on, with nothing but the standard library.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

__all__ = ["Anything", "Plain", "Scenario", "install"]


def install() -> None:
    """From now on, `import simulator` and whatever is below it gives stand-ins."""
    sys.meta_path.insert(0, _Finder())


class Anything:
    """Can be called, subscripted, joined by `|`, derived from, asked for any attribute; as a decorator it changes nothing."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        if len(arguments) == 1 and not options and callable(arguments[0]):
            return arguments[0]
        return Anything()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything()

    def __getitem__(self, _: Any) -> Any:
        return self

    def __or__(self, _: Any) -> Any:
        return self

    __ror__ = __or__

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __mro_entries__(self, _: Any) -> tuple[type, ...]:
        return ()


class Plain:
    """What the plain version is made of, as it was given."""

    PARTS = ("setup", "workers", "observe", "namespace", "source", "invariant")
    setup: Any
    workers: Any

    def __init__(self, *parts: Any, **named: Any) -> None:
        self.observe: Any = None
        self.namespace: Any = None
        self.__dict__.update(zip(self.PARTS, parts))  # noqa: B905  (not before 3.10)
        self.__dict__.update(named)


class Scenario:
    """A scenario of which only the plain version is known."""

    def __init__(self) -> None:
        self.plain: Callable[..., Any] | None = None

    def as_plain(self, build: Callable[..., Any]) -> Callable[..., Any]:
        """Keep the function that gives the plain version."""
        self.plain = build
        return build

    def __call__(self, *_: Any, **__: Any) -> Anything:
        return Anything()


def _scenario(*_: Any, **__: Any) -> Callable[[Any], Scenario]:
    return lambda build: Scenario()


class _Module(ModuleType):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []
        self.__all__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        made: Any
        if name in ("Plain", "scenario"):
            made = Plain if name == "Plain" else _scenario
        elif name.endswith("Error"):
            made = type(name, (Exception,), {})
        else:
            made = Anything()
        setattr(self, name, made)
        return made


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.split(".")[0] != "simulator":
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing to run."""
