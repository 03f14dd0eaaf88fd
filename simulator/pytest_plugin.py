"""The pytest plugin: a marker, a fixture, and schedules that are kept from one run of the tests to the next.

This file knows pytest: options, the running test, its cache, the sections and properties of its report. What it means to
explore a program it leaves to `interleave.py`, which it imports when a test calls `interleave` and not before.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import shlex
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from simulator.assertions import InterleavingFailure
    from simulator.interleave import Settings
    from simulator.program import Body, Program
    from simulator.report import Report

__all__ = ["Interleave", "interleave"]

_MARKER = (
    "interleavings(scheduler=None, budget=None, seed=None, bound=None, kinds=None, allow=(), incomplete_ok=False): "
    "how the fixture interleave explores in this test, and what fails it"
)
_SECTION = "interleavings"
"""The name of the section in a test's report."""
_MANY = 20
"""Calls of one test that have a line each in its section, at most; more are told together."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, which stand above what markers say."""
    group = parser.getgroup("interleavings", "interleavings (the fixture interleave)")
    group.addoption("--interleavings-scheduler", metavar="NAME", help="Explore with this scheduler.")
    group.addoption(
        "--interleavings-budget",
        metavar="N",
        type=int,
        help="Visit at most N states; go through at most N runs with a scheduler that goes through runs.",
    )
    group.addoption("--interleavings-seed", metavar="N", type=int, help="The seed of schedulers that draw samples.")
    group.addoption(
        "--interleavings-incomplete-ok",
        action="store_true",
        help="Let a test pass although not everything was explored, as its report then says.",
    )
    group.addoption(
        "--interleavings-replay",
        metavar="SCHEDULE",
        help="Replay one schedule in the one chosen test and explore nothing: 'a b*3 a*2'. "
        "'2: a b*3 a*2' is for its second call of interleave.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Announce the marker, and watch the tests."""
    config.addinivalue_line("markers", _MARKER)
    config.pluginmanager.register(Interleave(config), "interleavings")


@pytest.fixture(scope="session")
def interleave(pytestconfig: pytest.Config) -> Interleave:
    """Explores every interleaving of a scenario written in the test, and fails the test with the shortest schedule.

    `interleave({"a": body, "b": body}, memory={"count": 0}, finally_=lambda memory: memory["count"] == 2)` takes what
    `simulator.Program` takes, or a Program, and returns the Report. It may be called more than once in a test.
    """
    # For the whole session, so that a test that Hypothesis runs many times may use it: it looks up which test is running.
    found = pytestconfig.pluginmanager.get_plugin("interleavings")
    assert isinstance(found, Interleave)
    return found


class Interleave:
    """The fixture's value: call it with a scenario. It knows which test is running."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._running: _Test | None = None
        self._users: list[str] = []

    def __repr__(self) -> str:
        return "<interleave>"

    def __call__(self, bodies: Program | Mapping[str, Body], /, **program: Any) -> Report:
        """Explore a scenario completely, unless the marker or the command line says otherwise.

        Raises InterleavingFailure for what is wrong with it, IncompleteFailure when not everything was explored,
        ProgramError when it cannot run, UsageError for options that do not go together.
        """
        __tracebackhide__ = True
        from simulator.errors import InternalError, SimulatorError, UsageError

        if self._running is None:
            raise UsageError("interleave is called outside a test: call it in a test or in a fixture of one")
        try:
            return self._running.interleave(bodies, program)
        except InternalError:
            raise
        except SimulatorError as error:
            # The line that counts is the test's; the way through the engine says nothing more.
            raise error.with_traceback(None)  # noqa: B904 (it is the error itself; its cause stays)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._users = [item.nodeid for item in session.items if "interleave" in getattr(item, "fixturenames", ())]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self._running = _Test(item, self._users)
        # Not when tests were collected: a worker of xdist that stops there says nothing that anyone would read.
        if self._config.getoption("interleavings_replay") is not None and not self._users:
            pytest.fail("--interleavings-replay: no chosen test uses the fixture interleave", pytrace=False)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Generator[None, object, object]:
        test = self._running
        if test is None:
            return (yield)
        try:
            result = yield
            test.replayed_at_all()
            test.called_at_all()
        except BaseException as error:
            test.over(error)
            raise
        test.over(None)
        return result

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> None:
        """Notice the failure of a subtest: it is reported while its test runs on, and never comes out of the test."""
        if self._running is not None and call.excinfo is not None:
            self._running.reported(call.excinfo.value)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self) -> Generator[None, object, object]:
        try:
            return (yield)
        finally:
            self._running = None

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """What a replay has shown in tests that passed: of those that failed the report has it."""
        for report in terminalreporter.getreports("passed"):
            if report.when == "call" and "replayed" in dict(report.user_properties):
                terminalreporter.section(f"interleavings of {report.nodeid}")
                terminalreporter.line(dict(report.sections).get(f"Captured {_SECTION} call", ""))


@dataclass(slots=True)
class _Seen:
    """What the calls of one test explored, taken together; a count is None once one of them is not known."""

    programs: int = 0
    complete: int = 0
    interleavings: int | None = 0
    traces: int | None = 0
    states: int = 0
    schedulers: dict[str, None] = field(default_factory=dict)

    def add(self, report: Report) -> None:
        self.programs += 1
        self.complete += report.complete
        self.states += report.states
        self.schedulers[str(report.scheduler)] = None
        counted, traced = report.census, report.trace_census
        if self.interleavings is not None:
            self.interleavings = None if counted is None else self.interleavings + counted.interleavings
        if self.traces is not None:
            self.traces = None if traced is None else self.traces + traced.traces

    def properties(self) -> dict[str, Any]:
        """For the report's readers: what is known, by name."""
        found = {
            "interleavings": self.interleavings,
            "traces": self.traces,
            "states": self.states or None,
            "scheduler": ", ".join(self.schedulers) or None,
        }
        known = {name: value for name, value in found.items() if value is not None} if self.programs else {}
        return {**known, "complete": "yes" if self.programs and self.complete == self.programs else "no"}

    def summary(self) -> str:
        """Many programs in a line."""
        every = "all" if self.complete == self.programs else f"{self.complete:,}"
        return f"{self.programs:,} programs, {every} of them explored completely; {self.states:,} states"


class _Test:
    """The running test: what it asks for, and what its calls of `interleave` have shown so far."""

    def __init__(self, item: pytest.Item, users: list[str]) -> None:
        self.item = item
        self.users = users
        self.drawn = bool(getattr(getattr(item, "obj", None), "is_hypothesis_test", False))
        """Whether Hypothesis draws the programs: then they are many, and a schedule of one is none of another."""
        self.settings: Settings | None = None
        self.calls = 0
        self.failed: tuple[InterleavingFailure, int] | None = None
        """The failure that came last, and of which call: the test's own, unless the test caught it."""
        self.in_subtest: tuple[InterleavingFailure, int] | None = None
        """The first failure that a subtest reported."""
        self.told: list[str] = []
        self.seen = _Seen()
        self.replayed: list[str] = []
        # One key for each test: processes that run different tests at the same time write to different files.
        self.key = f"interleavings/{hashlib.sha256(item.nodeid.encode()).hexdigest()[:16]}"

    # -- one call

    def interleave(self, bodies: Program | Mapping[str, Body], arguments: Mapping[str, Any]) -> Report:
        __tracebackhide__ = True
        from simulator.assertions import InterleavingFailure
        from simulator.interleave import program_of

        self.calls += 1
        if self.settings is None:
            self.settings = self.asked()
        try:
            return self.gone_through(program_of(bodies, arguments, name=self.item.name), self.settings)
        except InterleavingFailure as failure:
            if failure.schedule:
                self.failed = (failure, self.calls)
                if not self.drawn and self.typed() is None:
                    failure.add_note(f"to replay it in this test: {self.command(failure.schedule)}")
            raise

    def asked(self) -> Settings:
        """What the markers say, the nearest first, under what the command line says."""
        from simulator.errors import UsageError
        from simulator.interleave import settings_of

        marked: dict[str, Any] = {}
        for marker in self.item.iter_markers("interleavings"):
            if marker.args:
                raise UsageError(f"@pytest.mark.interleavings takes options by name only, not {marker.args[0]!r}")
            marked = {**marker.kwargs, **marked}
        typed = {
            name: value
            for name in ("scheduler", "budget", "seed", "incomplete_ok")
            # By identity: a 0 that was typed equals False, and is no less typed.
            if (value := self.item.config.getoption(f"interleavings_{name}")) is not None and value is not False
        }
        return settings_of(marked, typed)

    def gone_through(self, program: Program, settings: Settings) -> Report:
        __tracebackhide__ = True
        from simulator.assertions import IncompleteFailure, InterleavingFailure
        from simulator.errors import ScheduleError
        from simulator.interleave import explored, replayed

        typed = self.typed()
        if typed is None:
            self.replay_stored(program, settings)
        elif typed[0] == self.calls:
            self.replayed.append(f"replayed {typed[1]!r} and explored nothing")
            try:
                run, report = replayed(program, typed[1], settings)
            except ScheduleError as error:
                error.add_note(
                    "the schedule is of another version of the test; without --interleavings-replay it is explored again"
                )
                raise
            self.told.append(f"{run}\n\nthis interleaving shows nothing that fails the test: not a proof")
            return report
        try:
            report = explored(program, settings, counted=not self.drawn)
        except (InterleavingFailure, IncompleteFailure) as failure:
            if failure.report is not None:
                self.saw(failure.report)
            if isinstance(failure, IncompleteFailure):
                failure.add_note(
                    "set by @pytest.mark.interleavings(budget=…, incomplete_ok=…) or --interleavings-budget=…"
                )
            raise
        self.saw(report)
        return report

    def saw(self, report: Report) -> None:
        """Add what was explored to what is told of the test."""
        from simulator.render.text import covered

        self.seen.add(report)
        if not self.drawn:
            self.told.append(f"{report.program}: {report.scheduler}: {covered(report)}")

    # -- schedules that come from elsewhere

    def typed(self) -> tuple[int, str] | None:
        """The schedule of the command line, and the number of the call that it is for."""
        from simulator.errors import UsageError

        text = self.item.config.getoption("interleavings_replay")
        if text is None:
            return None
        if len(self.users) > 1:
            raise UsageError(
                f"--interleavings-replay is for one test, and {len(self.users)} of those chosen use interleave: "
                f"choose this one by {_quoted(self.item.nodeid)}"
            )
        if self.drawn:
            raise UsageError(
                "--interleavings-replay is for a test with one program: Hypothesis draws those of this test; write the "
                "falsifying example down as a test of its own, or print(simulator.replay(program, schedule))"
            )
        numbered = re.fullmatch(r"\s*([0-9]+):\s(.*)", text)
        return (1, text.strip()) if numbered is None else (int(numbered[1]), numbered[2].strip())

    def command(self, schedule: str) -> str:
        """What to type to see a schedule again in this test."""
        if self.calls > 1:
            schedule = f"{self.calls}: {schedule}"
        return f"pytest {_quoted(self.item.nodeid)} --interleavings-replay {_quoted(schedule, always=True)}"

    def stored(self) -> dict[str, Any] | None:
        """What failed last time: the number of the call and its schedule."""
        cache = getattr(self.item.config, "cache", None)
        found = None if cache is None or self.drawn else cache.get(self.key, None)
        known = (
            isinstance(found, dict) and isinstance(found.get("schedule"), str) and found.get("test") == self.item.nodeid
        )
        return found if known else None

    def store(self, found: dict[str, Any] | None) -> None:
        """Keep this for the next time, or nothing. What was replayed by hand changes nothing of it."""
        cache = getattr(self.item.config, "cache", None)
        by_hand = self.item.config.getoption("interleavings_replay") is not None
        if cache is not None and not self.drawn and not by_hand and found != self.stored():
            cache.set(self.key, found)

    def replay_stored(self, program: Program, settings: Settings) -> None:
        """Replay what failed last time before all else: what is still wrong is known at once."""
        __tracebackhide__ = True
        from simulator.assertions import InterleavingFailure
        from simulator.errors import ScheduleError
        from simulator.interleave import replayed

        stored = self.stored()
        if stored is None or stored.get("call") != self.calls:
            return
        said = f"replayed the stored schedule {stored['schedule']!r}"
        try:
            replayed(program, stored["schedule"], settings)
        except InterleavingFailure:
            self.replayed.append(f"{said}: still fails")
            raise
        except ScheduleError as error:
            self.replayed.append(f"the stored schedule {stored['schedule']!r} no longer fits: {error}; explored again")
        else:
            self.replayed.append(f"{said}: no longer fails; explored again")

    # -- the end of the test

    def replayed_at_all(self) -> None:
        """A test must not pass because the schedule was for a call that it does not make."""
        __tracebackhide__ = True
        from simulator.errors import UsageError

        if self.item.nodeid in self.users and (typed := self.typed()) is not None and not self.replayed:
            raise UsageError(
                f"--interleavings-replay is for call {typed[0]} of interleave, and the test made {self.calls}: "
                "nothing was replayed"
            )

    def called_at_all(self) -> None:
        """A marker on a test that explores nothing promises what nobody looks at. One further out is for other tests too.

        The same goes for a test that takes the fixture itself; one that comes by it through another fixture may not need it.
        """
        if self.calls:
            return
        own = any(marker.name == "interleavings" for marker in self.item.own_markers)
        asked = "interleave" in getattr(self.item, "fixturenames", ())
        if own or (asked and self.item.get_closest_marker("interleavings") is not None):
            forgot = "has the marker interleavings and never called interleave"
        elif self.takes_the_fixture():
            forgot = "takes the fixture interleave and never called it"
        else:
            return
        pytest.fail(f"this test {forgot}: nothing was explored", pytrace=False)

    def takes_the_fixture(self) -> bool:
        """Whether the test function has an argument for it, and no other fixture of that name stands in its place."""
        item = self.item
        if not isinstance(item, pytest.Function) or not isinstance(item.funcargs.get("interleave"), Interleave):
            return False
        return "interleave" in inspect.signature(item.obj).parameters

    def reported(self, error: BaseException) -> None:
        """A failure was reported; the first that has a schedule is the one to keep."""
        if self.in_subtest is None and self.failed is not None and error is self.failed[0]:
            self.in_subtest = self.failed

    def over(self, error: BaseException | None) -> None:
        """Tell what was seen, and keep the schedule of a failure or forget it."""
        if not self.calls:
            return
        failed = self.failed if self.failed is not None and error is self.failed[0] else self.in_subtest
        found: dict[str, Any] = self.seen.properties()
        if failed is not None:
            failure, call = failed
            found["schedule"] = failure.schedule
            self.store({"test": self.item.nodeid, "call": call, "schedule": failure.schedule})
        elif error is None:
            self.store(None)
        if self.replayed:
            found["replayed"] = "; ".join(self.replayed)
        self.item.user_properties.extend(found.items())
        if self.drawn or len(self.told) > _MANY:
            self.told = [self.seen.summary()]
        elif self.calls > 1:
            self.told = [f"{number}. {line}" for number, line in enumerate(self.told, start=1)]
        if told := [*self.replayed, *self.told]:
            self.item.add_report_section("call", _SECTION, "\n".join(told))


def _quoted(text: str, *, always: bool = False) -> str:
    """A word for a command line, in double quotes where those do, which more shells know than single ones."""
    if not always and shlex.quote(text) == text:
        return text
    return shlex.quote(text) if set(text) & set('"$`\\!') else f'"{text}"'
