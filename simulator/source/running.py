"""One run of one thread's body: where it is, what it has made, whether it holds the GIL.

What the run has to remember is set here and nowhere else. A walker's generators are suspended while operations are under way,
and `merging.py` compares them there: what is kept where a frame does not show it is what `future_state` says.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final, Protocol

from simulator.errors import ProgramError
from simulator.ops import Acquire, Operation, Release
from simulator.source.granularity import Granularity
from simulator.source.here import here
from simulator.source.shared import GIL, Frozen, Ref, Shared
from simulator.source.sites import Site, Visit

__all__ = ["GIL", "Code", "Running", "Steps"]

Steps = Generator[Operation, Any, Any]
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
        self._has_gil = False
        self._turns = 0

    def future_state(self) -> tuple[object, ...]:
        """For merging: what this run has made so far, and whether it holds the GIL."""
        return (self.thread, self._made, tuple(self._escaped), self._has_gil)

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
        return thing

    def mine(self, thing: Any) -> Any:
        """A thing as this thread knows it, the other way round: what it made before others knew it is that again.

        So it is itself in containers that held it before it was shared.
        """
        if self._escaped:
            if type(thing) is Ref:
                for made, ref in self._escaped:
                    if ref is thing:
                        return made
            elif isinstance(thing, Frozen):
                return Frozen(thing.type, self.mine(thing.items), thing.extra)
            elif type(thing) in (tuple, list, frozenset):
                parts = [self.mine(each) for each in thing]
                if any(part is not each for part, each in zip(parts, thing, strict=True)):
                    return type(thing)(parts)
        return thing

    def same(self, one: Any, other: Any) -> bool:
        """`one is other`, as the program sees it."""
        return self.seen(one) is self.seen(other)

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
    def unpack(self, thing: Any) -> Steps:
        """Something that is taken apart: what Python can iterate over by itself."""

    @abstractmethod
    def binary(self, name: str, left: Any, right: Any, site: int | None = None, *, in_place: bool = False) -> Steps:
        """An operator or a comparison."""
