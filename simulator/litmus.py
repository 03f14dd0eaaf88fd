"""Litmus text: a small program in one line, as papers write it, such as `R x; W x || R x; W x`.

`||` stands between threads and `;` between steps. This file alone knows the notation: from text to operations, and
from operations to bodies. It does not know what an operation does, nor that there is a command line.

| step | operation |
|---|---|
| `R x` | read x |
| `W x`, `W x=1` | write x; without a value, 10·thread + position of the step, both from 1 (all different up to ten steps) |
| `M x`, `RMW x` | atomically add 1 to x |
| `CAS x 0 1` | if x is 0 make it 1, atomically |
| `L m`, `U m` | acquire and release the lock m |
| `T m` | try the lock m |
| `P` | pause: a step that touches nothing |

Memory starts at 0, or as a prefix says: `{x=1; y=-2} R x || W y`. Threads are t0, t1, … Nothing branches: after a
`CAS` or a `T` that failed, the next step follows as ever. Only the `U` that gives back what a `T` took is passed over,
without a step, when that `T` failed; locks nest, so a `U` belongs to the last `L` or `T` of its lock that has none yet.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from simulator.errors import UsageError
from simulator.ops import Acquire, CompareAndSwap, Operation, Pause, Read, Release, TryAcquire, Update, Write
from simulator.program import Body, Program

__all__ = ["Litmus", "is_litmus", "parse"]

Steps = tuple[Operation, ...]

_TOKEN = re.compile(r"\|\||[|;={}]|[^\s|;={}]+")
_NAME = re.compile(r"[^\W\d][\w.\[\]]*")
_NUMBER = re.compile(r"-?[0-9]+")
# Python turns no number of more than 640 digits into text where it is set to its strictest; adding 1 adds a digit.
_MOST_DIGITS = 600
_SHOWN = 30
"""How many characters of the text an error repeats."""
_NAMES: dict[str, Any] = {
    **{kind.__name__: kind for kind in (Acquire, CompareAndSwap, Pause, Read, Release, TryAcquire, Update, Write)},
    operator.add.__name__: operator.add,
}
"""What the source of a body needs: the names in the reprs of operations."""


@dataclass(frozen=True, slots=True)
class Litmus:
    """What a text says: the initial memory and the locks in the order in which they are named, and each thread's steps."""

    memory: Mapping[Hashable, int]
    locks: tuple[str, ...]
    threads: tuple[Steps, ...]

    def program(self) -> Program:
        """The program, named litmus. Threads with the same steps have the same body, so they are interchangeable.

        A step's place is `t1:2`, the second step of t1; of interchangeable threads it is `t0,t1:2`.
        """
        alike: dict[Steps, list[str]] = {}
        for number, steps in enumerate(self.threads):
            alike.setdefault(steps, []).append(f"t{number}")
        bodies = {steps: _body(steps, _listed(names)) for steps, names in alike.items()}
        return Program(
            {f"t{number}": bodies[steps] for number, steps in enumerate(self.threads)},
            memory=self.memory,
            locks=self.locks,
            name="litmus",
        )


def is_litmus(text: str) -> bool:
    """Whether a text is meant as a program, and not as the name of one.

    >>> is_litmus("R x || W x"), is_litmus("path/to/file.py:program")
    (True, False)
    """
    return "||" in text


def parse(text: str) -> Litmus:
    """Read litmus text. Raises UsageError of one line that gives the column of what is wrong, in characters from 1.

    >>> parse("R x; W x || L m; U m").threads
    ((Read(location='x'), Write(location='x', value=12)), (Acquire(lock='m'), Release(lock='m')))
    >>> parse("R x; || W x")
    Traceback (most recent call last):
    simulator.errors.UsageError: litmus text, column 6: step 2 of thread t0 is empty, at '|| W x'
    """
    return _Reader(text).litmus()


class _Token(NamedTuple):
    """A word or a sign, and where it begins; the last one is empty."""

    text: str
    start: int


class _Reader:
    """Reads one text from left to right, one token ahead."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._split()
        self._next = next(self._tokens)
        self._memory: dict[Hashable, int] = {}
        self._locks: dict[str, None] = {}
        self._first: dict[str, int] = {}
        """Where each name was first met."""

    def litmus(self) -> Litmus:
        if self._sign("{"):
            self._initial_memory()
        threads = [self._thread(1)]
        while self._sign("||"):
            threads.append(self._thread(len(threads) + 1))
        if self._next.text:
            raise self._wrong(f"expected ';', '||' or the end after a step, not {_quoted(self._next.text)}")
        return Litmus(self._memory, tuple(self._locks), tuple(threads))

    def _initial_memory(self) -> None:
        while True:
            place = self._next
            name = self._name("a memory location to start with, as {x=1; y=2}")
            if name in self._memory:
                raise self._wrong(f"memory location {name!r} starts with two values", place)
            self._expect("=")
            self._first[name] = place.start
            self._memory[name] = self._number()
            if not self._sign(";"):
                break
        self._expect("}")

    def _thread(self, number: int) -> Steps:
        steps = [self._step(number, 1)]
        while self._sign(";"):
            steps.append(self._step(number, len(steps) + 1))
        return tuple(steps)

    def _step(self, thread: int, position: int) -> Operation:
        place = self._next
        what = place.text
        if what in ("", ";", "||"):
            raise self._wrong(f"step {position} of thread t{thread - 1} is empty")
        self._take()
        match what:
            case "R":
                return Read(self._location())
            case "W":
                return Write(self._location(), self._number() if self._sign("=") else 10 * thread + position)
            case "M" | "RMW":
                return Update(self._location(), operator.add, 1)
            case "CAS":
                return CompareAndSwap(self._location(), self._number(), self._number())
            case "L":
                return Acquire(self._lock())
            case "U":
                return Release(self._lock())
            case "T":
                return TryAcquire(self._lock())
            case "P":
                return Pause()
        raise self._wrong(f"unknown operation {_quoted(what)} (expected R, W, M, CAS, L, U, T, P)", place)

    def _location(self) -> str:
        place = self._next
        name = self._name("a memory location")
        if name in self._locks:
            raise self._wrong(f"{name!r} is a lock (column {self._first[name] + 1}), not a memory location too", place)
        self._first.setdefault(name, place.start)
        self._memory.setdefault(name, 0)
        return name

    def _lock(self) -> str:
        place = self._next
        name = self._name("a lock")
        if name in self._memory:
            raise self._wrong(f"{name!r} is a memory location (column {self._first[name] + 1}), not a lock too", place)
        self._first.setdefault(name, place.start)
        self._locks[name] = None
        return name

    def _name(self, what: str) -> str:
        if not _NAME.fullmatch(self._next.text):
            raise self._wrong(
                f"expected {what}, not {_quoted(self._next.text)}"
                " (a name is a letter or _, then letters, digits, _ . [ ])"
            )
        return self._take()

    def _number(self) -> int:
        if not _NUMBER.fullmatch(self._next.text):
            raise self._wrong(f"expected a whole number, not {_quoted(self._next.text)}")
        if len(self._next.text) > _MOST_DIGITS:
            raise self._wrong(f"a number of more than {_MOST_DIGITS} digits")
        return int(self._take())

    def _expect(self, sign: str) -> None:
        if not self._sign(sign):
            raise self._wrong(f"expected {sign!r}, not {_quoted(self._next.text)}")

    def _sign(self, sign: str) -> bool:
        """Whether this sign comes next; then it is taken."""
        if self._next.text != sign:
            return False
        self._take()
        return True

    def _take(self) -> str:
        taken = self._next
        self._next = next(self._tokens, taken)
        return taken.text

    def _split(self) -> Iterator[_Token]:
        for found in _TOKEN.finditer(self._text):
            yield _Token(found[0], found.start())
        yield _Token("", len(self._text))

    def _wrong(self, what: str, place: _Token | None = None) -> UsageError:
        start = (place or self._next).start
        rest = self._text[start:]
        at = f", at {_quoted(rest)}" if rest else ""
        return UsageError(f"litmus text, column {start + 1}: {what}{at}")


def _quoted(text: str) -> str:
    """A piece of the text for an error line: cut when long."""
    if not text:
        return "the end"
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")


def _listed(names: list[str]) -> str:
    """Some threads by their names: not more than three, as the place stands in tables."""
    return ",".join([*names[:3], "…"] if len(names) > 3 else names)


def _body(steps: Steps, place: str) -> Body:
    """A generator function that yields these operations; step n stands in line n of the file `place`.

    It is compiled, not interpreted: so a suspended body is told from another by its code position alone, and has a
    source line for each step.
    """
    lines = []
    # The steps that took each lock and have not been given back: the register with a try's answer, None for an acquire.
    taken: dict[Hashable, list[str | None]] = {}
    for number, operation in enumerate(steps, start=1):
        line = f"yield {operation!r}"
        match operation:
            case Acquire(lock):
                taken.setdefault(lock, []).append(None)
            case TryAcquire(lock):
                taken.setdefault(lock, []).append(f"got{number}")
                line = f"got{number} = {line}"
            case Release(lock) if taken.get(lock):
                got = taken[lock].pop()
                if got is not None:
                    line = f"{got} and (yield {operation!r})"
        lines.append(line)
    # One logical line, so that the first step can stand in line 1, beside the `def`.
    source = "def body(): " + "; \\\n".join(lines) + "\n"
    names = dict(_NAMES)
    exec(compile(source, place, "exec"), names)
    body: Body = names["body"]
    return body
