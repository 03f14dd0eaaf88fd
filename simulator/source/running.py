"""One run of one thread's body: where it is, what it has made, whether it holds the GIL.

What the run has to remember is set here and nowhere else. A walker's generators are suspended while operations are under way,
and `merging.py` compares them there: what is kept where a frame does not show it is what `future_state` says.
"""

from __future__ import annotations

import enum
import gc
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Generator, KeysView
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final, Protocol

from simulator.errors import ProgramError
from simulator.ops import Acquire, Operation, Release
from simulator.source.called_back import call_c, may_call_back
from simulator.source.granularity import Granularity
from simulator.source.here import here
from simulator.source.kinds import View, has_own_comparison, special
from simulator.source.shared import GIL, VALUES, Bound, Frozen, Ref, Shared, Thrown, remade
from simulator.source.sites import Site, Visit
from simulator.values import value_key

__all__ = ["GIL", "Code", "Running", "Steps"]

Steps = Generator[Operation, Any, Any]
_DICTS: tuple[dict[Any, Any], ...] = ({}, OrderedDict())
_VIEWS: Final = {type(getattr(each, which)()): which for each in _DICTS for which in ("keys", "values", "items")}
TURNS: Final = 100_000
"""Turns of a loop without a step after which a thread is taken for one that never ends."""


class Code(Protocol):
    """What a run asks of the program that it belongs to."""

    shared: Shared
    granularity: Granularity
    named: bool
    patience: int

    def rewritten(self, function: FunctionType) -> Callable[..., Steps] | None: ...
    def is_library(self, function: FunctionType) -> bool: ...
    def note(self, what: str, site: int | None) -> None: ...
    def place(self, site: int | None) -> str: ...
    def ask_for_names(self) -> None: ...
    def module_of(self, code: CodeType) -> ModuleType: ...
    def site(self, number: int) -> tuple[CodeType, Site]: ...


class Running(ABC):
    """The state of a run, its log, the GIL. What comes further up the files is named here."""

    def __init__(self, code: Code, thread: str, log: list[Visit] | None = None, *, called: str = "") -> None:
        self.code = code
        self.shared = code.shared
        self.thread = thread
        name = called or thread
        self.called = f"thread {name!r}" if name else "a thread"
        self.log = log
        self.at: int | None = None
        self.inside = False
        self._made = 0
        self._escaped: list[tuple[Any, Ref]] = []
        self._thrown: list[tuple[BaseException, Thrown]] = []
        self._has_gil = False
        self._turns = 0

    def future_state(self) -> tuple[object, ...]:
        """For merging: what this run has made so far, and whether it holds the GIL."""
        return (self.thread, self._made, tuple(self._escaped), tuple(known for _, known in self._thrown), self._has_gil)

    # -- what it remembers

    def quiet(self, site: int | None) -> None:
        """A place was passed where nothing shared was touched."""
        if self.log is not None and site is not None:
            code, place = self.code.site(site)
            self.log.append(Visit(self.thread, code, place, None, None))

    def is_at(self, site: int | None) -> None:
        """The next operation happens here."""
        self.at = site
        self._turns = 0

    def is_inside(self, inside: bool) -> None:
        """The next operation is a part of another: real threads do not see it."""
        self.inside = inside

    def holds_gil(self, held: bool) -> None:
        """The GIL was taken, or given back."""
        self._has_gil = held

    def new_name(self, what: str) -> str:
        """A name for what this thread has made."""
        self.code.ask_for_names()
        self._made += 1
        return f"{self.thread}.{what}{self._made}"

    def now_shared(self, made: Any, ref: Ref) -> None:
        """What this thread made is known to others from now on."""
        self._escaped.append((made, ref))

    def seen(self, thing: Any) -> Any:
        """A thing as everybody knows it: one that this thread made and then shared by its ref."""
        if self._escaped and type(thing) is not Ref:
            for made, ref in self._escaped:
                if made is thing:
                    return ref
            if type(thing) in _VIEWS:
                return self._view_as_seen(thing)
        return thing

    def _view_as_seen(self, view: Any) -> Any:
        """A view of a dict that this thread made, and shared after it had taken the view."""
        which = _VIEWS[type(view)]
        for made, ref in self._escaped:
            if isinstance(made, dict) and any(each is made for each in gc.get_referents(view)):
                return View(ref, which)
        return view

    def mine(self, thing: Any) -> Any:
        """A thing as this thread knows it, the other way round: what it made before others knew it is that again.

        So it is itself in containers that held it before it was shared.
        """
        if self._escaped or self.shared.has_thrown:
            if type(thing) is Thrown:
                return self._own_error(thing)
            if type(thing) is Ref:
                for made, ref in self._escaped:
                    if ref is thing:
                        return made
            elif isinstance(thing, Frozen):
                return Frozen(thing.type, self.mine(thing.items), thing.extra)
            elif type(thing) in (list, frozenset) or isinstance(thing, tuple):
                parts = [self.mine(each) for each in thing]
                if any(part is not each for part, each in zip(parts, thing, strict=True)):
                    return remade(thing, parts) if isinstance(thing, tuple) else type(thing)(parts)
        return thing

    def _own_error(self, thrown: Thrown) -> BaseException:
        for made, known in self._thrown:
            if known.name == thrown.name:
                return made
        made = thrown.made(self.mine(thrown.arguments), self.mine(thrown.attributes))
        self._thrown.append((made, thrown))
        return made

    def now_thrown(self, error: BaseException, thrown: Thrown) -> Thrown:
        """An exception of this thread's is known to others from now on."""
        self.shared.has_thrown = True
        self._thrown.append((error, thrown))
        return thrown

    def known_error(self, thing: Any) -> Any:
        """What an exception of this thread's is to others; None where they do not know it."""
        if self.shared.is_error(thing):
            return thing
        return next((known for made, known in self._thrown if made is thing), None)

    def same(self, one: Any, other: Any) -> bool:
        """Whether two things are one, as the program sees it."""
        return self.seen(one) is self.seen(other)

    def is_the_same(self, one: Any, other: Any) -> bool:
        """`one is other` in the program. Memory holds values, and equal ones are one there."""
        one, other = self.seen(one), self.seen(other)
        if type(one) is not type(other) or not isinstance(one, VALUES) or _is_kept_once(one):
            return one is other
        if isinstance(one, Bound):
            raise self.wrong(
                "asks whether two methods are the same one, which cannot be followed; compare with ==", None
            )
        try:
            if value_key(self._as_seen(one)) != value_key(self._as_seen(other)):
                return False
        except TypeError:
            # What this thread alone has is in it: no other has made one like it.
            return one is other
        kind = type(one).__name__
        self.note(f"'is' takes two {kind}s that are equal for the same one: another in its place is not noticed", None)
        return True

    def _as_seen(self, thing: Any) -> Any:
        if isinstance(thing, tuple | frozenset):
            kind: Any = tuple if isinstance(thing, tuple) else frozenset
            return kind(map(self._as_seen, thing))
        return self.seen(thing)

    def count_turn(self) -> None:
        """A turn of a loop. Raises ProgramError for a thread that never takes a step again."""
        self._turns += 1
        if self._turns > min(TURNS, self.code.patience):
            raise self.wrong(
                f"went through a loop {TURNS:,} times without touching anything shared: does it ever end?", None
            )

    # -- what it says

    def wrong(self, what: str, site: int | None) -> ProgramError:
        """The error for code that cannot be followed: where, which thread, what it does."""
        return ProgramError(f"{self.place(site)}{self.called} {what}")

    def note(self, what: str, site: int | None) -> None:
        """Take note of what is not looked into. Raises ProgramError where we are to be strict."""
        self.code.note(f"{self.place(site)}{what}", None)

    def place(self, site: int | None) -> str:
        """The beginning of a line that says where."""
        return here() or self.code.place(site)

    # -- C code

    def in_c(self, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        """What C code makes of things, and of those that can call Python code of the user's while it does.

        Raises ProgramError where that code might see or change what threads share.
        """
        if not any(map(may_call_back, arguments)) and not any(map(may_call_back, keywords.values())):
            return function(*arguments, **keywords)
        return self.in_c_watched(function, *arguments, **keywords)

    def in_c_watched(self, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        """The same where the function itself may call Python code, whatever it is given."""
        if _may_mix((function, *arguments, *keywords.values())):
            raise self.wrong(
                "has C code look for what is equal among the keys or items of a container, one shared and one of its own: "
                "it cannot be followed; go through them with ==",
                None,
            )
        return call_c(self.shared, self._called_back, function, arguments, keywords)

    def _called_back(self, what: str) -> ProgramError:
        return self.wrong(
            f"lets C code call {what}, which may use what threads share, or change something: it cannot be followed there",
            None,
        )

    # -- the GIL

    def hold(self) -> Steps:
        """Take the GIL before anything shared is touched."""
        if self.code.granularity.has_gil and not self._has_gil:
            yield Acquire(GIL)
            self.holds_gil(True)

    def let_go(self) -> Steps:
        """Give the GIL back."""
        if self._has_gil:
            self.holds_gil(False)
            yield Release(GIL)

    def switch(self) -> Steps:
        """A place where the interpreter may switch threads."""
        if self.code.granularity.has_gil:
            yield from self.let_go()

    # -- what other files do

    @abstractmethod
    def invoke(self, site: int | None, function: Any, /, *arguments: Any, **keywords: Any) -> Steps:
        """`function(...)`."""

    @abstractmethod
    def follow(self, function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any], site: int | None) -> Steps:
        """A Python function, step by step."""

    @abstractmethod
    def truth(self, thing: Any, site: int | None = None) -> Steps:
        """Whether something counts as true."""

    @abstractmethod
    def unpack(self, thing: Any, most: int | None = None) -> Steps:
        """Something that is taken apart: what Python can iterate over by itself."""

    @abstractmethod
    def binary(self, name: str, left: Any, right: Any, site: int | None = None, *, in_place: bool = False) -> Steps:
        """An operator or a comparison."""


def _is_kept_once(value: Any) -> bool:
    """Whether Python has a value only once: a small number, an empty tuple, a letter."""
    if isinstance(value, enum.Enum):
        return True
    if isinstance(value, int):
        return -5 <= value <= 256
    return isinstance(value, tuple | str | bytes) and len(value) <= (not isinstance(value, tuple))


def _may_mix(things: tuple[Any, ...]) -> bool:
    """Whether a set or dict holds a shared object that is compared by value, and something else is such an object that is not
    shared: C code tells those two apart by who knows of them."""
    waiting: list[Any] = [*things, *(getattr(each, "__self__", None) for each in things)]
    met: set[int] = set()
    has_shared = has_own = False
    while waiting and not (has_shared and has_own):
        each = waiting.pop()
        if isinstance(each, tuple | list | set | frozenset | dict | KeysView) and id(each) not in met:
            met.add(id(each))
            if isinstance(each, set | frozenset | dict | KeysView):
                has_shared = has_shared or any(
                    isinstance(key, Ref) and isinstance(special(key, "__eq__"), FunctionType) for key in each
                )
            waiting += each
        elif has_own_comparison(each):
            has_own = True
    return has_shared and has_own
