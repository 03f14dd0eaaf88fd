"""Globals and class attributes: each run starts with them as they were, and their locks are watched while it lasts."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from simulator.errors import UsageError
from simulator.loading import load
from simulator.real.crosscheck import crosscheck
from simulator.real.interpreters import Interpreter, installed
from simulator.real.natural import run_batch
from simulator.real.outside import Held, Outside
from simulator.real.watched import Watch, WatchedLock, WatchedRLock

pytestmark = pytest.mark.real

FILE = """
import threading
from threading import Lock

total = 0
log = []
seen = {"runs": 0}
LOCK = threading.Lock()
SECOND = Lock()

class Tally:
    total = 0
    lock = threading.RLock()

    def add(self):
        with Tally.lock, self.lock:
            Tally.total += 1

    def raises(self):
        raise ValueError("no")

class Account:
    def __init__(self):
        self.balance = 10
        self.lock = threading.Lock()

account = Account()

class Counter:
    def __init__(self):
        self.count = 0
        self.lock = threading.Lock()

    def increment(self):
        with self.lock:
            self.count += 1

def work():
    global total
    with LOCK:
        total += 1
        log.append(total)
        seen["runs"] += 1
        account.balance -= 1

def two_locks():
    with LOCK, SECOND:
        pass

def other_way():
    with SECOND, LOCK:
        pass

def needs(argument):
    pass
"""


KEEPS = """
import threading
from collections import defaultdict

groups = defaultdict(list)

class Log:
    made = 0

    def __init__(self, also=[]):
        self.n = 0
        self.also = also

    def add(self, lines=[], *, seen={}):
        with LOCK:
            lines.append("x")
            seen["runs"] = seen.get("runs", 0) + 1
            self.also.append("x")
            groups["a"].append("x")
            Log.last = getattr(Log, "last", 0) + 1
            self.add_to_all()
            self.n = (
                len(lines), seen["runs"], len(self.also), len(groups["a"]), Log.last, count(), Log.add_to_all.__func__.times
            )

    @classmethod
    def add_to_all(cls):
        cls.add_to_all.__func__.times = getattr(cls.add_to_all.__func__, "times", 0) + 1

def counter():
    count = 0

    def more():
        nonlocal count
        count += 1
        return count

    return more

LOCK = threading.Lock()
count = counter()
"""
"""What functions keep between their calls, what comes to be where nothing was, and a container of a kind of its own."""


@pytest.fixture
def path(tmp_path: Path) -> Iterator[str]:
    before = list(sys.path)
    (tmp_path / "mine.py").write_text(FILE)
    yield str(tmp_path / "mine.py")
    sys.path[:] = before


@pytest.fixture
def module() -> Iterator[ModuleType]:
    made = ModuleType("made_for_this_test")
    sys.modules[made.__name__] = made
    exec(FILE, vars(made))
    yield made
    del sys.modules[made.__name__]


@pytest.mark.parametrize("interpreter", installed(), ids=str)
@pytest.mark.parametrize(
    ("name", "memory"),
    [("Counter.increment", {"counter.count": 3}), ("Tally.add", {"Tally.total": 3}), ("work", {"total": 3})],
)
def test_plain_code_by_reference_starts_anew_in_each_run_on_any_python(
    path: str, interpreter: Interpreter, name: str, memory: dict[str, int]
) -> None:
    batch = run_batch(f"{path}:{name}", {"threads": 3}, runs=4, interpreter=interpreter)
    assert (batch.done, batch.errors) == (4, {})
    (outcome,) = batch.outcomes
    assert memory.items() <= dict(outcome.memory).items()


def test_natural_runs_of_plain_code_end_as_the_model_says(path: str) -> None:
    for name in ("Tally.add", "work", "two_locks"):
        found = crosscheck(load(f"{path}:{name}"), {}, runs=3)
        assert not found.not_predicted, str(found)
        assert found.natural[0].done == 3


def test_what_functions_keep_and_what_was_not_there_starts_anew_in_each_run() -> None:
    module: Any = ModuleType("made_for_this_test")
    exec(KEEPS, vars(module))
    outside = Outside([vars(module)])
    seen = []
    for _ in range(3):
        with outside.anew(Watch()):
            log = module.Log()
            log.add()
            seen.append(log.n)
    assert seen == [(1,) * 7] * 3


@pytest.mark.parametrize("interpreter", installed(), ids=str)
def test_a_mutable_default_is_no_bug_of_the_model_on_any_python(tmp_path: Path, interpreter: Interpreter) -> None:
    (tmp_path / "default.py").write_text(
        "class Log:\n    n = 0\n    def add(self, lines=[]):\n        lines.append('x')\n        self.n = len(lines)\n"
    )
    found = crosscheck(load(f"{tmp_path / 'default.py'}:Log.add"), {}, runs=3, interpreters=[interpreter])
    assert found.ok, str(found)
    assert found.natural[0].done == 3


def test_a_worker_that_raises_is_a_crash(path: str) -> None:
    batch = run_batch(f"{path}:Tally.raises", {}, runs=2)
    assert {outcome.how for outcome in batch.outcomes} == {"crashed"}
    assert batch.errors == {"t0: ValueError: no (mine.py:20)": 2, "t1: ValueError: no (mine.py:20)": 2}


def test_a_worker_that_needs_arguments_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match="needs an argument 'argument'"):
        run_batch(f"{path}:needs", {}, runs=1)


def changed(module: Any) -> None:
    module.total = 5
    module.log.append(5)
    module.seen["runs"] = 5
    module.seen["more"] = 5
    module.Tally.total = 5
    module.account.balance = 5


def test_everything_is_as_it_was_when_the_next_run_starts(module: Any) -> None:
    outside = Outside([vars(module)])
    log, account = module.log, module.account
    changed(module)
    with outside.anew(Watch()):
        assert (module.total, module.log, module.seen) == (0, [], {"runs": 0})
        assert (module.Tally.total, module.account.balance) == (0, 10)
        # The same objects: others may know them, too.
        assert module.log is log
        assert module.account is account
        changed(module)
    assert module.total == 5


def test_containers_of_each_kind_are_filled_again() -> None:
    module = ModuleType("kinds")
    vars(module).update(a=[1, [2]], b={"x": {1, 2}}, c=deque([1, 2], maxlen=2), d=bytearray(b"ab"), e=(1, 2), f=2.5)
    outside = Outside([vars(module)])
    made: Any = module
    made.a[1].append(3)
    made.b["x"].add(3)
    made.c.append(3)
    made.d.extend(b"c")
    made.e = made.f = None
    with outside.anew(Watch()):
        assert (made.a, made.b, list(made.c), made.d) == ([1, [2]], {"x": {1, 2}}, [1, 2], bytearray(b"ab"))
        assert (made.c.maxlen, made.e, made.f) == (2, (1, 2), 2.5)
    assert dict(outside.now())["e"] == (1, 2)


def test_locks_are_stood_in_for_while_it_lasts_and_called_as_in_the_model(module: Any) -> None:
    outside = Outside([vars(module)])
    before = (module.LOCK, module.Tally.lock, module.account.lock)
    with outside.anew(Watch()):
        assert isinstance(module.Tally.lock, WatchedRLock)
        assert [lock.name for lock in (module.LOCK, module.Tally.lock, module.account.lock)] == [
            "LOCK", "Tally.lock", "account.lock",
        ]  # fmt: skip
    assert (module.LOCK, module.Tally.lock, module.account.lock) == before
    assert not isinstance(module.LOCK, WatchedLock)


def test_one_lock_with_two_names_stays_one(module: Any) -> None:
    module.SECOND = module.LOCK
    with Outside([vars(module)]).anew(Watch()):
        assert module.SECOND is module.LOCK


@pytest.mark.parametrize("lock", ["LOCK", "Tally.lock"])
def test_a_lock_that_is_taken_at_import_is_told(module: Any, lock: str) -> None:
    outside = Outside([vars(module)])
    taken = module.LOCK if lock == "LOCK" else module.Tally.lock
    taken.acquire()
    with pytest.raises(Held, match=f"^the lock {lock} is held before any thread runs"), outside.anew(Watch()):
        pass
    taken.release()


def test_a_lock_that_is_taken_at_import_is_told_in_one_line_by_a_batch(tmp_path: Path) -> None:
    # As a Plain, which the model has no say in.
    (tmp_path / "taken.py").write_text(
        "import threading\n"
        "from simulator.ops import Pause\n"
        "from simulator.program import Program\n"
        "from simulator.scenario import Plain, scenario\n"
        "LOCK = threading.Lock()\n"
        "LOCK.acquire()\n"
        "def body():\n"
        "    yield Pause()\n"
        "@scenario(summary='One.')\n"
        "def one() -> Program:\n"
        "    return Program({'a': body})\n"
        "@one.as_plain\n"
        "def plain():\n"
        "    return Plain(dict, lambda _: {'a': LOCK.acquire}, lambda _: {}, globals())\n"
    )
    with pytest.raises(
        UsageError, match=r"^the lock LOCK is held before any thread runs: give it back when the module"
    ):
        run_batch(f"{tmp_path}/taken.py:one", {}, runs=1, timeout=20)


def test_what_is_not_the_code_s_own_is_left_alone(module: Any) -> None:
    namespace = vars(module)
    before = {name: namespace[name] for name in ("threading", "work", "Tally", "Account")}
    outside = Outside([namespace])
    module.work = changed
    with outside.anew(Watch()):
        assert module.work is changed
    assert {name for name, _ in outside.now()} >= {"total", "log", "Tally.total", "account.balance"}
    assert not {name for name, _ in outside.now()} & set(before)
