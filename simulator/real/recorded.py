"""A run read back from JSON lines (`recording.py` writes them), as a `Run` for the same detectors.

Knows the format, and keeps account of memory and locks as far as the lines say, so that a file that contradicts itself is
found out. It does not know what is wrong in a run.
"""

from __future__ import annotations

import bisect
import json
import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple, TextIO

from simulator.bodies import End, SourceLine
from simulator.errors import ProgramError, UsageError, nearest
from simulator.ops import (
    Acquire,
    Add,
    Call,
    CompareAndSwap,
    Operation,
    Pause,
    Read,
    Release,
    Return,
    TryAcquire,
    Update,
    Write,
    show_name,
)
from simulator.program import Program
from simulator.real.recording import FORMAT, MOST_EVENTS, VERSION
from simulator.trace import Ended, Event, Misuse, Notice, Outcome, Pending, Run, Situation, Threw

__all__ = ["Recorded", "Shown", "open_and_read", "read"]

LONGEST_LINE = 1_000_000
_HOWS = ("finished", "failed check", "crashed", "deadlocked", "out of steps")


@dataclass(frozen=True, slots=True)
class Recorded:
    """A run out of a file, and what the file says about it.

    `source` is "model" or "real threads"; `interpreter` is in words, empty for the model. `traced` says that watching changed
    the timing, so that the run is no natural one. `stopped` says why the record has no end; it is empty if it has one.
    """

    run: Run
    program: Program
    name: str
    source: str
    interpreter: str = ""
    traced: bool = False
    unseen: tuple[str, ...] = ()
    stopped: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """A value of which only its repr is known. Two are the same if their reprs are."""

    text: str

    def __repr__(self) -> str:
        return self.text


class _Function:
    """The function of an update, of which only the name is known."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __call__(self, *_: object) -> object:
        raise TypeError("a recorded function cannot be called")


_function = cache(_Function)


class _Broken(Exception):
    """What is wrong with a line."""


def read(file: TextIO, name: str) -> Recorded:
    """Read a run. `name` is what the file is called in errors.

    Raises UsageError, of one line with file and line number, for what is no run, is cut off, or contradicts itself.
    """
    number = 0
    reader: _Reader | None = None
    try:
        while text := file.readline(LONGEST_LINE + 1):
            number += 1
            line = _parsed(text, first=number == 1)
            if reader is None:
                reader = _Reader(line)
            else:
                reader.take(line)
        number += 1
        if reader is None:
            raise _Broken("the file is empty, expected a recorded run")
        return reader.recorded()
    except _Broken as broken:
        raise UsageError(f"{name}:{number}: {broken}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{name}:{number + 1}: is not UTF-8 text, expected a recorded run (JSON lines)") from None
    except OSError as error:
        raise UsageError(f"{name}: cannot be read: {error.strerror or error}") from None


def _parsed(text: str, *, first: bool) -> dict[str, Any]:
    """A line as a JSON object."""
    problem = ""
    line: Any = None
    if len(text) > LONGEST_LINE:
        problem = f"is longer than {LONGEST_LINE:,} characters"
    else:
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            problem = "is not JSON" if text.endswith("\n") else "is not JSON: the file breaks off here"
    if not problem and not isinstance(line, dict):
        problem = "is not a JSON object"
    if problem:
        raise _Broken(f"{problem}, expected a recorded run (JSON lines)" if first else problem)
    checked: dict[str, Any] = line
    return checked


class _Happened(NamedTuple):
    """An event before it is known what its thread did next."""

    thread: str
    operation: Operation
    answer: object
    before: object
    after: object
    where: SourceLine
    held: tuple[Hashable, ...]
    notices: list[Notice]


@dataclass(slots=True)
class _History:
    """What a name had as its value from which number of steps on."""

    steps: list[int] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def set(self, step: int, value: object) -> None:
        if self.steps and self.steps[-1] == step:
            self.values[-1] = value
        else:
            self.steps.append(step)
            self.values.append(value)

    def at(self, step: int) -> Any:
        return self.values[bisect.bisect_right(self.steps, step) - 1]


class _At(Mapping[Any, Any]):
    """Histories as they were after a number of steps: a situation of a long run costs no copy of all memory."""

    __slots__ = ("_histories", "_step")

    def __init__(self, histories: Mapping[Any, _History], step: int) -> None:
        self._histories = histories
        self._step = step

    def __getitem__(self, name: Any) -> Any:
        return self._histories[name].at(self._step)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._histories)

    def __len__(self) -> int:
        return len(self._histories)


class _Reader:
    """Takes line after line and keeps account of memory and locks, as far as the lines say."""

    def __init__(self, head: Mapping[str, Any]) -> None:
        if head.get("format") != FORMAT:
            raise _Broken(f'is not a recorded run: its first line has "format": "{FORMAT}"')
        if head.get("version") != VERSION:
            raise _Broken(f"is in version {head.get('version')!r} of the format; this reads version {VERSION}")
        self.head = head
        threads = _get(head, "threads", list)
        for thread in threads:
            if not isinstance(thread, str):
                raise _Broken(f"a thread is named {thread!r}, expected text")
        self.locks = list(map(_name, _get(head, "locks", list)))
        self.rlocks = list(map(_name, _get(head, "rlocks", list)))
        try:
            self.program = Program(
                dict.fromkeys(threads, _nobody), locks=self.locks, rlocks=self.rlocks, name=_get(head, "program", str)
            )
        except ProgramError as error:
            raise _Broken(str(error)) from None
        if len(self.program.threads) != len(threads):
            raise _Broken("a thread is named twice")
        self.threads: list[str] = threads
        self.memory = _histories(_memory(head).items())
        self.owners: dict[Hashable, str | None] = dict.fromkeys(self.program.all_locks)
        self.owner_at = _histories(self.owners.items())
        self.held: dict[str, dict[Hashable, int]] = {thread: {} for thread in threads}
        self.held_at = _histories((thread, ()) for thread in threads)
        self.ends = _histories((thread, None) for thread in threads)
        self.events: list[_Happened] = []
        self.latest: dict[str, int] = {}
        self.start: dict[str, list[Notice]] = {thread: [] for thread in threads}
        self.notices = 0
        self.over: set[str] = set()
        self.last: Mapping[str, Any] | None = None

    def take(self, line: Mapping[str, Any]) -> None:
        """The next line."""
        if self.last is not None:
            raise _Broken("comes after the line that says how the run ended")
        if "how" in line:
            self._take_last(line)
            return
        thread = _get(line, "thread", str)
        if thread not in self.held:
            raise _Broken(f"thread {thread!r} is not among those of the first line{nearest(thread, self.threads)}")
        if thread in self.over:
            raise _Broken(f"thread {thread!r} has ended before")
        if "does" in line:
            self._take_event(thread, line)
        else:
            self._take_notice(thread, line)

    def _take_event(self, thread: str, line: Mapping[str, Any]) -> None:
        if len(self.events) >= MOST_EVENTS:
            raise _Broken(f"there are more than {MOST_EVENTS:,} events: record a shorter run")
        operation = _operation(line)
        answer = _value(line.get("answer"))
        held = self._holds(thread)
        before = after = None
        step = len(self.events) + 1
        match operation:
            case Read(location) | Write(location) | Update(location) | CompareAndSwap(location):
                known = self.memory.get(location)
                before = _value(line["before"]) if "before" in line else known.values[-1] if known else None
                after = _value(line["after"]) if "after" in line else before
                self.memory.setdefault(location, _History([0], [before])).set(step, after)
            case Acquire(lock):
                self._take_lock(thread, lock, step)
            case TryAcquire(lock):
                self._owner(lock)
                if answer:
                    self._take_lock(thread, lock, step)
            case Release(lock):
                self._give_back(thread, lock, step)
            case _:
                pass
        self.latest[thread] = len(self.events)
        self.events.append(_Happened(thread, operation, answer, before, after, _where(line), held, []))

    def _take_notice(self, thread: str, line: Mapping[str, Any]) -> None:
        notice: Notice
        if "ended" in line:
            how, message, where = _get(line, "ended", str), _get(line, "message", str), _where_or_none(line)
            if how not in _HOWS:
                raise _Broken(f"a thread ended {how!r}; known: {', '.join(_HOWS)}")
            notice = Ended(how, message, where, self._holds(thread))
            self.ends[thread].set(self.latest.get(thread, -1) + 1, End(how, message, where))
            self.over.add(thread)
        elif "misuse" in line:
            lock = _name(line.get("lock"))
            self._owner(lock)
            notice = Misuse(_get(line, "misuse", str), lock, _where(line))
        elif "threw" in line:
            notice = Threw(_get(line, "threw", str))
        else:
            raise _Broken("says neither what a thread does nor how one ended, nor how the run did")
        self.notices += 1
        if self.notices > MOST_EVENTS:
            raise _Broken(f"there are more than {MOST_EVENTS:,} notices: record a shorter run")
        (self.events[self.latest[thread]].notices if thread in self.latest else self.start[thread]).append(notice)

    def _take_last(self, line: Mapping[str, Any]) -> None:
        how = line["how"]
        if how is not None and how not in _HOWS:
            raise _Broken(f"the run ended {how!r}; known: {', '.join(_HOWS)}, or null")
        _memory(line)
        for thread, wanted in _get(line, "pending", dict).items():
            if thread not in self.held or not isinstance(wanted, dict):
                raise _Broken(f"thread {thread!r} is not among those of the first line{nearest(thread, self.threads)}")
            if thread in self.over:
                raise _Broken(f"thread {thread!r} has ended, and is about to do something")
            operation = _operation(wanted)
            _where(wanted)
            if isinstance(operation, Acquire | TryAcquire | Release):
                self._owner(operation.lock)
        self.last = line

    # -- locks

    def _owner(self, lock: Hashable) -> str | None:
        if lock not in self.owners:
            raise _Broken(f"lock {show_name(lock)!r} is not among those of the first line")
        return self.owners[lock]

    def _take_lock(self, thread: str, lock: Hashable, step: int) -> None:
        owner = self._owner(lock)
        if owner is not None and (owner != thread or lock not in self.rlocks):
            raise _Broken(f"{thread} takes {show_name(lock)}, which {owner} holds: no run can do that")
        self.held[thread][lock] = self.held[thread].get(lock, 0) + 1
        self._own(lock, thread, thread, step)

    def _give_back(self, thread: str, lock: Hashable, step: int) -> None:
        owner = self._owner(lock)
        if owner is None:
            raise _Broken(f"{thread} releases {show_name(lock)}, which nobody holds: no run can do that")
        # A plain lock may be given back by another thread than took it; that is misuse, and not impossible.
        left = self.held[owner][lock] - 1
        if left:
            self.held[owner][lock] = left
        else:
            del self.held[owner][lock]
            self._own(lock, None, owner, step)

    def _own(self, lock: Hashable, owner: str | None, thread: str, step: int) -> None:
        self.owners[lock] = owner
        self.owner_at[lock].set(step, owner)
        self.held_at[thread].set(step, self._holds(thread))

    def _holds(self, thread: str) -> tuple[Hashable, ...]:
        return tuple(lock for lock in self.owners if lock in self.held[thread])

    # -- the run

    def recorded(self) -> Recorded:
        """Everything. Only now is known what a thread did next."""
        if self.last is None:
            raise _Broken("the file breaks off: there is no line that says how the run ended")
        events, pending = self._events(self.last)
        situations = tuple(
            self._situation(step, {thread: history.at(step) for thread, history in pending.items()})
            for step in range(len(events) + 1)
        )
        how = self.last["how"]
        head = self.head
        return Recorded(
            run=Run(
                threads=tuple(self.threads),
                events=events,
                situations=situations,
                start={thread: tuple(notices) for thread, notices in self.start.items()},
                outcome=None if how is None else Outcome(how, tuple(_memory(self.last).items())),
            ),
            program=self.program,
            name=self.program.name,
            source=_get(head, "source", str),
            interpreter=str(head.get("interpreter") or ""),
            traced=_get(head, "traced", bool),
            unseen=tuple(map(str, _get(head, "unseen", list))),
            stopped=str(self.last.get("stopped") or ""),
        )

    def _events(self, last: Mapping[str, Any]) -> tuple[tuple[Event, ...], dict[str, _History]]:
        """The events with what each thread came to next, and what each was about to do after how many steps."""
        following: dict[str, Pending | None] = dict.fromkeys(self.threads)
        for thread, wanted in last["pending"].items():
            following[thread] = Pending(_operation(wanted), _where(wanted), self._holds(thread))
        backwards: list[Event] = []
        # For each thread from its last step back: from which step on it was about to do what.
        spans: dict[str, list[tuple[int, Pending | None]]] = {thread: [] for thread in self.threads}
        for number in range(len(self.events), 0, -1):
            happened = self.events[number - 1]
            thread = happened.thread
            spans[thread].append((number, following[thread]))
            backwards.append(Event(*happened[:7], notices=tuple(happened.notices), pending=following[thread]))
            following[thread] = Pending(happened.operation, happened.where, happened.held)
        for thread in self.threads:
            spans[thread].append((0, following[thread]))
        return tuple(reversed(backwards)), {
            thread: _History([step for step, _ in reversed(of)], [wanted for _, wanted in reversed(of)])
            for thread, of in spans.items()
        }

    def _situation(self, step: int, pending: Mapping[str, Pending | None]) -> Situation:
        owners = _At(self.owner_at, step)
        return Situation(
            memory=_At(self.memory, step),
            owners=owners,
            held=_At(self.held_at, step),
            pending=pending,
            ends=_At(self.ends, step),
            enabled=tuple(
                thread for thread, wanted in pending.items() if wanted is not None and self._can(thread, wanted, owners)
            ),
        )

    def _can(self, thread: str, wanted: Pending, owners: Mapping[Hashable, str | None]) -> bool:
        if not isinstance(wanted.operation, Acquire):
            return True
        lock = wanted.operation.lock
        return owners[lock] is None or (owners[lock] == thread and lock in self.rlocks)


def _nobody() -> Any:
    """The body of a thread of which only the name is known."""
    raise TypeError("a recorded thread cannot be run")


def _histories(first: Iterable[tuple[Any, Any]]) -> dict[Any, _History]:
    return {name: _History([0], [value]) for name, value in first}


def _get(line: Mapping[str, Any], key: str, kind: type) -> Any:
    if key not in line:
        raise _Broken(f"has no {key!r}")
    if type(line[key]) is not kind:
        said = {str: "text", list: "an array", dict: "an object", bool: "true or false", int: "a number"}[kind]
        raise _Broken(f"{key!r} is {json.dumps(line[key])[:60]}, expected {said}")
    return line[key]


def _value(told: Any) -> Any:
    if isinstance(told, dict):
        if not isinstance(told.get("repr"), str):
            raise _Broken(f'the value {json.dumps(told)[:60]} cannot be read; objects are written as {{"repr": …}}')
        return Shown(told["repr"])
    return tuple(map(_value, told)) if isinstance(told, list) else told


def _name(told: Any) -> Hashable:
    if told is None:
        raise _Broken("has no name of a location or lock where one is expected")
    name: Hashable = _value(told)
    return name


def _memory(line: Mapping[str, Any]) -> dict[Hashable, Any]:
    pairs = _get(line, "memory", list)
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise _Broken("'memory' has to be an array of pairs [location, value]")
    return {_name(location): _value(value) for location, value in pairs}


def _where_or_none(line: Mapping[str, Any]) -> SourceLine | None:
    if line.get("where") is None:
        return None
    where = _get(line, "where", str)
    file, colon, number = where.rpartition(":")
    if not colon or not number.isascii() or not number.isdigit() or len(number) > 9:
        raise _Broken(f"'where' is {where[:60]!r}, expected file:line")
    return SourceLine(file, int(number))


def _where(line: Mapping[str, Any]) -> SourceLine:
    where = _where_or_none(line)
    if where is None:
        raise _Broken("has no 'where'")
    return where


_OPERATIONS: dict[str, Callable[[Mapping[str, Any]], Operation]] = {
    "read": lambda line: Read(_name(line.get("location")), line.get("atomic") is True),
    "write": lambda line: Write(_name(line.get("location")), _value(line.get("value"))),
    "add": lambda line: Add(_value(line.get("left")), _value(line.get("right"))),
    "update": lambda line: Update(_name(line.get("location")), _function(_get(line, "by", str))),
    "swap": lambda line: CompareAndSwap(
        _name(line.get("location")), _value(line.get("expected")), _value(line.get("new"))
    ),
    "acquire": lambda line: Acquire(_name(line.get("lock"))),
    "try": lambda line: TryAcquire(_name(line.get("lock"))),
    "release": lambda line: Release(_name(line.get("lock"))),
    "pause": lambda line: Pause(_seconds(line.get("seconds", 0))),
    "call": lambda line: Call(_get(line, "name", str), *_value(_get(line, "arguments", list))),
    "return": lambda line: Return(_value(line.get("value"))),
}


def _seconds(told: Any) -> float:
    if isinstance(told, bool) or not isinstance(told, int | float):
        raise _Broken(f"'seconds' is {json.dumps(told)[:60]}, expected a number")
    return told


def _operation(line: Mapping[str, Any]) -> Operation:
    does = _get(line, "does", str)
    if does not in _OPERATIONS:
        raise _Broken(f"'does' is {does[:60]!r}{nearest(does, _OPERATIONS)}")
    return _OPERATIONS[does](line)


def open_and_read(path: str) -> Recorded:
    """Read a run from the file at `path`. Raises UsageError as `read` does, and when there is no such file."""
    if os.path.isdir(path):
        raise UsageError(f"{path}: is a directory, expected a recorded run")
    try:
        with open(path, encoding="utf-8", newline="\n") as file:
            return read(file, path)
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None
