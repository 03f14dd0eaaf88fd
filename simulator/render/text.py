"""Text for people: the step-by-step timeline, the table of outcomes, the report. Strings out, nothing printed.

Every function takes `width` (columns; None for as wide as it needs) and `colour` (ANSI codes or plain text). Nothing is said
by colour alone. Values and names are never broken: a table too wide for its place stands closer together, a timeline leaves
out what never changes, and what still does not fit runs over.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Hashable, Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from simulator.analysis.deadlock import wait_for
from simulator.analysis.finding import Finding
from simulator.ops import show_name, show_value
from simulator.schedulers import Scheduler
from simulator.search.budget import Stop
from simulator.trace import Ended, Misuse, Notice, Run, Situation, Threw
from simulator.values import stable_repr

if TYPE_CHECKING:
    from rich.table import Table

    from simulator.census import Census
    from simulator.census_by import CensusBy
    from simulator.report import Report
    from simulator.trace import Outcome
    from simulator.traces import TraceCensus

__all__ = [
    "census_table",
    "cost_table",
    "counts_table",
    "finding_text",
    "number",
    "percent",
    "report_text",
    "table_text",
    "timeline",
    "traces_table",
]

MARK = "►"
DIGITS = 40
"""Longer numbers are rounded in text; JSON has all of them."""
MANY = 8
"""Threads, or locations, that are all shown beside a run."""
COLUMNS = 6
"""Outcomes that have a column each, at most; more are taken together by how they end."""


def percent(share: Fraction) -> str:
    """A share in percent, with as many digits as it takes not to say 0 % or 100 % of what is neither.

    >>> percent(Fraction(9, 10)), percent(Fraction(14399, 14400)), percent(Fraction(1, 3))
    ('90 %', '99.9931 %', '33.3 %')
    """
    exact = share * 100
    if 0 < exact < Fraction(1, 10**6):
        return f"{float(exact):.1e} %"
    if exact.denominator == 1:
        return f"{exact} %"
    for digits in range(1, 40):
        rounded = round(exact, digits)
        if rounded in (0, 100):
            continue
        leading = min(exact, 100 - exact)
        if leading * 10**digits >= 10 or rounded == exact:
            whole, part = divmod(rounded.numerator * 10**digits // rounded.denominator, 10**digits)
            return f"{whole}.{part:0{digits}d} %"
    return f"{float(exact):.3e} %"


def number(count: int) -> str:
    """A whole number with its thousands apart; of a very long one, where it begins and how long it is.

    >>> number(168168000), number(3 * 10**614)
    ('168,168,000', 'about 3.00e614')
    """
    if abs(count) < 10**DIGITS:
        return f"{count:,}"
    # Not by way of its digits: Python refuses to print whole numbers of more than 4,300.
    return f"about {Decimal(count):.2e}".replace("e+", "e")


def plural(count: int, thing: str) -> str:
    """A number of things.

    >>> plural(1, "step"), plural(2, "step")
    ('1 step', '2 steps')
    """
    return f"{number(count)} {thing}" if count == 1 else f"{number(count)} {thing}s"


def table_text(table: Table, *, width: int | None = None, colour: bool = False) -> str:
    """A rich table as text, no cell broken, without trailing blanks; wider than `width`, its columns stand closer together."""
    text = _drawn(table, colour=colour)
    if width is not None and _width(text) > width:
        table.padding = (0, 1, 0, 0)
        text = _drawn(table, colour=colour)
    return text


def _width(text: str) -> int:
    """Columns that a text without colour codes takes, or one with them."""
    from rich.text import Text

    return max((Text.from_ansi(line).cell_len for line in text.splitlines()), default=0)


def _drawn(table: Table, *, colour: bool) -> str:
    from rich.console import Console

    console = Console(
        file=io.StringIO(),
        width=1_000_000,
        force_terminal=colour,
        color_system="standard" if colour else None,
        legacy_windows=False,
        highlight=False,
        markup=False,
        emoji=False,
    )
    console.print(table)
    file = console.file
    assert isinstance(file, io.StringIO)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def _table(*headers: str, right: Iterable[int] = ()) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    rights = set(right)
    for place, header in enumerate(headers):
        table.add_column(header, justify="right" if place in rights else "left", no_wrap=True)
    return table


def timeline(
    run: Run, *, marked: Mapping[int, str] | None = None, width: int | None = None, colour: bool = False
) -> str:
    """A run as a table: one row for each step, one column for each thread, memory and lock owners at the right.

    Where threads or locations are many, those that have no part in the run are left out; where `width` is too narrow,
    memory and locks that never change stand in a line below.

    `marked` maps step numbers (from 1) to a word for the margin: the guilty steps. Below the table stands how the run ended.
    """
    marked = marked or {}
    locations = _shown_locations(run)
    locks = list(run.situations[0].owners)
    text = table_text(_steps(run, marked, locations, locks), colour=colour)
    if width is not None and _width(text) > width:
        names = [*locations, *locks]
        rows = [_state_cells(situation, locations, locks) for situation in run.situations]
        still = {place for place, cells in enumerate(zip(*rows, strict=True)) if len(set(cells)) == 1}
        locations = [name for place, name in enumerate(locations) if place not in still]
        locks = [name for place, name in enumerate(locks, start=len(names) - len(locks)) if place not in still]
        text = table_text(_steps(run, marked, locations, locks), width=width, colour=colour)
        if still:
            unchanged = " ".join(f"{show_name(names[place])}={rows[0][place]}" for place in sorted(still))
            text += "\n" + _wrapped(f"unchanged: {unchanged}", width)
    return f"{text}\n\n{_ending(run)}"


def _steps(run: Run, marked: Mapping[int, str], locations: list[Hashable], locks: list[Hashable]) -> Table:
    """The table of a timeline, with these of its memory and locks."""
    from rich.text import Text

    threads = _shown_threads(run)
    lines = _lines(run)
    headers = ["", "step", *threads, *map(show_name, locations), *map(show_name, locks), *lines[:1]]
    table = _table(*headers, right=[1, len(headers) - 1] if len(lines) > 1 and lines[1].isdigit() else [1])
    last = [""] * len(lines[:1])
    table.add_row("", "", *_start_cells(run, threads), *_state_cells(run.situations[0], locations, locks), *last)
    for step, event in enumerate(run.events, start=1):
        guilty = step in marked
        cells = [""] * len(threads)
        cells[threads.index(event.thread)] = "\n".join([event.text, *_notices(event.notices)])
        shown: list[Text] = [
            Text(cell, style="bold" if guilty else "")
            for cell in (f"{MARK} {marked[step]}".rstrip() if guilty else "", str(step), *cells)
        ]
        before = _state_cells(run.situations[step - 1], locations, locks)
        after = _state_cells(run.situations[step], locations, locks)
        for old, new in zip(before, after, strict=True):
            shown.append(Text(new, style="bold cyan" if new != old else "dim"))
        if lines:
            shown.append(Text(lines[step], style="dim"))
        table.add_row(*shown)
    waiting = {wait.thread: wait for wait in wait_for(run.final)}
    if waiting and not run.final.enabled:
        table.add_row(
            "",
            "",
            *(
                f"waits for {show_name(waiting[name].lock)} of {waiting[name].owner}" if name in waiting else ""
                for name in threads
            ),
            *[""] * (len(locations) + len(locks)),
            *last,
        )
    return table


def _lines(run: Run) -> list[str]:
    """Where each step stands in the source, after a header; nothing where that tells nobody anything."""
    if not run.lines or not run.events:
        return []
    files = {event.where.file for event in run.events}
    if len(files) == 1:
        return [str(run.events[0].where).rpartition(":")[0], *(str(event.where.line) for event in run.events)]
    return ["where", *(str(event.where) for event in run.events)]


def _shown_threads(run: Run) -> list[str]:
    """All threads when they are few, otherwise those that take a step, have something to say, or wait at a deadlock."""
    if len(run.threads) <= MANY:
        return list(run.threads)
    active = {event.thread for event in run.events} | {thread for thread, notices in run.start.items() if notices}
    if not run.final.enabled:
        active |= {wait.thread for wait in wait_for(run.final)}
    return [thread for thread in run.threads if thread in active] or list(run.threads)


def _shown_locations(run: Run) -> list[Hashable]:
    """All of memory when it is small, otherwise what the run touched."""
    locations = list(run.situations[0].memory)
    if len(locations) <= MANY:
        return locations
    touched = {event.footprint.name for event in run.events if not event.footprint.on_lock}
    return [location for location in locations if location in touched]


def _start_cells(run: Run, threads: Iterable[str]) -> list[str]:
    return ["\n".join(_notices(run.start.get(thread, ()))) for thread in threads]


def _state_cells(situation: Situation, locations: list[Hashable], locks: list[Hashable]) -> list[str]:
    return [
        *(show_value(situation.memory[location]) for location in locations),
        *(situation.owners[lock] or "·" for lock in locks),
    ]


def _notices(notices: Iterable[Notice]) -> list[str]:
    said = []
    for notice in notices:
        match notice:
            case Ended(how, message, where):
                if how != "finished":
                    said.append(f"✗ {how}: {message} ({where})")
            case Misuse(what, lock, where):
                said.append(f"✗ {what}: {show_name(lock)} ({where})")
            case Threw(message):
                said.append(f"✗ raised {message}")
    return said


def _ending(run: Run) -> str:
    if run.outcome is None:
        enabled = ", ".join(run.final.enabled)
        end = f"stops here, after {plural(len(run), 'step')}; still enabled: {enabled}"
    else:
        end = f"ends: {run.outcome}"
    return f"{end}\nschedule: {run.schedule}   ({plural(len(run), 'step')}, {plural(run.preemptions, 'preemption')})"


def census_table(census: Census, *, width: int | None = None, colour: bool = False) -> str:
    """Every outcome with its interleavings, its share of them, and its odds under a random walk."""
    return counts_table(census, "", None, "", width=width, colour=colour)


def traces_table(traced: TraceCensus, *, width: int | None = None, colour: bool = False) -> str:
    """Every outcome with its traces."""
    return counts_table(None, "", traced, "", width=width, colour=colour)


def counts_table(
    census: Census | None,
    missing: str,
    traced: TraceCensus | None,
    traces_missing: str,
    *,
    width: int | None = None,
    colour: bool = False,
) -> str:
    """Every outcome with its interleavings, its share of them, its odds under a random walk, and its traces.

    Where one of the counts is None, the reason stands beside; an empty reason says nothing.
    """
    from rich.cells import cell_len

    lines = []
    if census is not None:
        total = plural(census.interleavings, "interleaving")
        cut = "" if census.max_steps is None else f", cut at {plural(census.max_steps, 'step')}"
        different = ""
        if traced is not None and census.interleavings != 1:
            different = f", {number(traced.traces)} of them different{' (traces)' if not cut else ''}"
            if traced.traces == 1:
                different = ", all of one trace"
        lines.append(f"{total}{different}{cut}")
        states = plural(census.states, "state")
        lines.append(f"the longest takes {plural(census.longest, 'step')}; counted exactly over {states}")
    elif traced is not None:
        cut = "" if traced.max_steps is None else f", cut at {plural(traced.max_steps, 'step')}"
        lines.append(f"{plural(traced.traces, 'trace')}{cut} (counted exactly over {plural(traced.states, 'state')})")
        if missing:
            lines.append(f"interleavings not counted: {missing}")
    if traced is None and traces_missing:
        lines.append(f"traces not counted: {traces_missing}")
    columns: list[tuple[str, Callable[[Outcome], str]]] = []
    if census is not None:
        columns.append(("interleavings", lambda outcome: number(census.outcomes[outcome])))
        columns.append(("share", lambda outcome: percent(census.share(outcome))))
    if traced is not None:
        columns.append(("traces", lambda outcome: number(traced.outcomes[outcome])))
    if census is not None:
        columns.append(("random walk", lambda outcome: _odds(census.odds[outcome])))
    outcomes = census.outcomes if census is not None else traced.outcomes if traced is not None else {}
    rows = [(str(outcome), *(cell(outcome) for _, cell in columns)) for outcome in outcomes]

    def drawn(first: Iterable[str]) -> str:
        table = _table("outcome", *(name for name, _ in columns), right=range(1, len(columns) + 1))
        for name, row in zip(first, rows, strict=True):
            table.add_row(name, *row[1:])
        return table_text(table, width=width, colour=colour)

    text = drawn(row[0] for row in rows)
    over = 0 if width is None else _width(text) - width
    if over > 0:
        room = max((cell_len(row[0]) for row in rows), default=0) - over
        text = drawn(_in_lines(outcome, room) for outcome in outcomes)
    return "\n".join(lines) + f"\n\n{text}"


def _in_lines(outcome: Outcome, room: int) -> str:
    """An outcome's text in lines of at most so many columns, if no location or value has to be broken for it."""
    from rich.cells import cell_len

    if not outcome.memory:
        return str(outcome)
    lines = [] if outcome.how == "finished" else [f"{outcome.how}:"]
    for word in (f"{show_name(location)}={stable_repr(value)}" for location, value in outcome.memory):
        if lines and cell_len(lines[-1]) + 1 + cell_len(word) <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(f"  {word}" if lines else word)
    return "\n".join(lines)


def _odds(odds: Fraction) -> str:
    """A probability in percent, and exactly where that is short."""
    short = 1 < odds.denominator < 10**DIGITS and len(str(odds)) <= 12
    return percent(odds) + (f" = {odds}" if short else "")


def cost_table(counted: CensusBy, *, width: int | None = None, colour: bool = False) -> str:
    """A row for each number of preemptions or delays: all interleavings, the share within it, and each outcome.

    Where the outcomes are too many for columns, there is a column for each way to end (if there are several), and a
    second table has the fewest that each outcome needs.
    """
    census = counted.census
    total = census.interleavings
    columns: dict[str, Mapping[int, int]] = {str(outcome): each for outcome, each in counted.by_outcome.items()}
    grouped = len(columns) > COLUMNS or sum(len(name) + 3 for name in columns) + 40 > (width or 120)
    if grouped:
        by_end: dict[str, dict[int, int]] = {}
        for outcome, numbers in counted.by_outcome.items():
            summed = by_end.setdefault(outcome.how, {})
            for cost, ways in numbers.items():
                summed[cost] = summed.get(cost, 0) + ways
        columns = dict(by_end) if len(by_end) > 1 else {}
    table = _table(str(counted.cost), "interleavings", "up to here", *columns, right=range(3 + len(columns)))
    so_far = 0
    for cost, ways in counted.numbers.items():
        so_far += ways
        cells = (number(numbers[cost]) if cost in numbers else "·" for numbers in columns.values())
        table.add_row(str(cost), number(ways), percent(Fraction(so_far, total)), *cells)
    cut = "" if census.max_steps is None else f", cut at {plural(census.max_steps, 'step')}"
    most = plural(counted.highest, str(counted.cost).removesuffix("s"))
    parts = [f"{plural(total, 'interleaving')}{cut}; none has more than {most} (counted exactly)"]
    parts.append(table_text(table, width=width, colour=colour))
    if grouped:
        fewest = _table("outcome", f"fewest {counted.cost}", "with so few", "interleavings", right=[1, 2, 3])
        for outcome, numbers in counted.by_outcome.items():
            least = min(numbers)
            fewest.add_row(str(outcome), str(least), number(numbers[least]), number(census.outcomes[outcome]))
        parts.append(table_text(fewest, width=width, colour=colour))
    return "\n\n".join(parts)


def finding_text(finding: Finding, place: int, *, width: int | None = None, colour: bool = False) -> str:
    """One finding: what, how often, why, and its witness step by step."""
    head = f"{place}. {finding.title}{_how_often(finding)}"
    lines = [_wrapped(head, width, below="   "), _wrapped(f"   {finding.why}", (width or 120) - 3, below="   ")]
    if finding.witness is None or finding.run is None:
        lines.append("   no single run shows all of it")
        return "\n".join(lines)
    kind = "shortest witness" if finding.shortest else "witness (not proved to be the shortest)"
    preemptions = plural(finding.preemptions or 0, "preemption")
    steps = plural(len(finding.witness), "step")
    lines.append(f"   {kind}: {str(finding.witness) or '(before the first step)'}   ({steps}, {preemptions})")
    return "\n".join(lines)


def _wrapped(text: str, width: int | None, *, below: str = "") -> str:
    """Text in lines of at most so many columns, broken at spaces alone; `below` begins each line after the first."""
    return "\n".join(
        textwrap.wrap(
            text, max(width or 120, 20), subsequent_indent=below, break_long_words=False, break_on_hyphens=False
        )
    )


def witness_table(finding: Finding, *, width: int | None = None, colour: bool = False) -> str:
    """The witness of a finding as a timeline with the guilty steps marked."""
    if finding.run is None:
        return ""
    marked = dict.fromkeys((step.number for step in finding.steps), "")
    text = timeline(finding.run, marked=marked, width=width, colour=colour)
    return text.rpartition("\n\n")[0]


def _how_often(finding: Finding) -> str:
    if finding.share is None:
        return ""
    share = finding.share
    return (
        f": in {number(share.count)} of {plural(share.total, 'interleaving')} ({percent(share.of_interleavings)}); "
        f"{percent(share.odds)} under a random walk"
    )


def covered(report: Report) -> str:
    """What was looked at, and never more than that."""
    total = report.census.interleavings if report.census is not None else None
    if report.complete:
        return _complete(report, total)
    runs = report.runs or 0
    if report.seed is not None:
        stopped = "" if report.stop is Stop.SAMPLED else f" ({report.stop})"
        over = f" over {plural(total, 'interleaving')}" if total is not None else ""
        samples = plural(runs, _SAMPLES[report.scheduler])
        if report.weighted_by_length:
            samples = f"{plural(runs, 'sample')}, about uniform (threads weighted by length)"
        return f"{samples}{over}, seed {report.seed}{stopped}: a sample, not a proof"
    if report.bound is not None:
        unit = str(report.scheduler).removesuffix("s")
        if report.stop is Stop.BOUND:
            every = f"{number(runs)} of {plural(total, 'interleaving')}" if total else plural(runs, "interleaving")
            return f"{every}, all with at most {plural(report.bound, unit)}: a bound, not a proof"
        done = f"all with at most {plural(report.within, unit)}" if report.within is not None else "not one level whole"
        return f"incomplete: {_of_all(runs, total, 'interleaving')}, {done} ({report.stop}): not a proof"
    if report.runs is not None and report.stop in (Stop.ENDLESS, Stop.STEPS):
        advice = ""
        if report.scheduler in (Scheduler.DPOR, Scheduler.NAIVE):
            never = "its states" if report.stop is Stop.ENDLESS else "if it can run for ever, its states"
            advice = f"; {never} may be few enough for graph"
        many = "" if report.runs == 1 else "the last one " if report.stop is Stop.ENDLESS else "some "
        return f"incomplete: {plural(report.runs, 'run')}, {many}cut short ({report.stop}): not a proof{advice}"
    if report.scheduler is Scheduler.DPOR:
        traces = report.trace_census.traces if report.trace_census is not None else None
        return f"incomplete: {_of_all(runs, traces, 'trace')} ({report.stop}): not a proof"
    if report.runs is not None:
        return f"incomplete: {_of_all(runs, total, 'interleaving')} ({report.stop}): not a proof"
    if report.undecided:
        return f"incomplete: not decided within {plural(report.states, 'state')}: {', '.join(report.undecided)}"
    return f"incomplete: {plural(report.states, 'state')} visited ({report.stop}): not a proof"


_SAMPLES = {
    Scheduler.RANDOM: "random walk",
    Scheduler.UNIFORM: "uniform sample",
    Scheduler.UNIFORM_TRACES: "trace-uniform sample",
    Scheduler.PCT: "PCT run",
    Scheduler.POS: "POS run",
    Scheduler.SURW: "SURW run",
}


def _of_all(count: int, total: int | None, thing: str) -> str:
    """So many of all there are, if that is known."""
    return plural(count, thing) if total is None else f"{number(count)} of {plural(total, thing)}"


def _complete(report: Report, total: int | None) -> str:
    """What a complete search covered, and by how much work."""
    traces = None if report.trace_census is None else report.trace_census.traces
    runs = report.runs
    if runs is None:
        work = plural(report.states, "state")
    elif report.scheduler is Scheduler.DPOR:
        work, traces = "one run for each trace", runs
    else:
        work, total = plural(runs, "run"), runs
    if total is None and traces is None:
        return f"{_every(report.states, 'state')} covered (complete)"
    if total is None:
        return f"{_every(traces or 0, 'trace')} covered (complete); {work}"
    different = f" ({plural(traces, 'trace')})" if traces is not None and total != 1 else ""
    return f"{_every(total, 'interleaving')}{different} covered (complete); {work}"


def _every(count: int, thing: str) -> str:
    return f"all {number(count)} {thing}s" if count != 1 else f"the only {thing}"


def told_beside(report: Report) -> list[str]:
    """What else has to be known: why this scheduler, why no count, how many traces were seen, what a sampler promises."""
    lines = [f"picked because: {report.why}"] if report.why else []
    if report.complete and report.census is None:
        # What the count ran into; its advice is for those who called it themselves.
        reason = report.census_missing.partition(" (max_states)")[0].partition(":")[0]
        lines.append(f"interleavings not counted: {reason}")
    if report.traces is not None and report.scheduler is not Scheduler.DPOR and not report.complete:
        if report.trace_census is None:
            lines.append(f"{plural(report.traces, 'different trace')} seen")
        else:
            lines.append(f"{number(report.traces)} of {plural(report.trace_census.traces, 'trace')} seen")
    cut = ", cut at max_steps" if any(outcome.how == "out of steps" for outcome in report.outcomes) else ""
    if report.traces_estimate is not None:
        lines.append(f"Knuth's estimate of all traces{cut}: {report.traces_estimate}")
    if report.interleavings_estimate is not None and report.census is None:
        lines.append(f"Knuth's estimate of all interleavings{cut}: {report.interleavings_estimate}")
    return [*lines, *report.notes]


def report_text(report: Report, *, width: int | None = None, colour: bool = False, steps: bool = True) -> str:
    """The whole report: what was covered, every finding with its witness, every outcome.

    With `steps` each witness is shown step by step, unless an earlier finding has shown the same one.
    """
    threads = plural(len(report.threads), "thread")
    said = covered(report) if report.findings else _clean(report)
    head = [f"{report.program}: {threads} ({_names(report.threads)})", f"{report.scheduler}: {said}"]
    beside = told_beside(report)
    parts = ["\n".join([*head, *beside])]
    shown: dict[str, int] = {}
    for place, finding in enumerate(report.findings, start=1):
        text = finding_text(finding, place, width=width, colour=colour)
        schedule = str(finding.witness)
        if steps and finding.run is not None and finding.run.events:
            if schedule in shown:
                text += f"\n   the steps are those of finding {shown[schedule]}"
            else:
                shown[schedule] = place
                table = witness_table(finding, width=None if width is None else width - 3, colour=colour)
                text += "\n\n" + textwrap.indent(table, "   ", lambda line: bool(line.strip()))
        parts.append(text)
    if report.outcomes:
        parts.append(_outcomes(report, width=width, colour=colour))
    return "\n\n".join(parts)


def _names(threads: tuple[str, ...]) -> str:
    return ", ".join(threads) if len(threads) <= 6 else f"{threads[0]} … {threads[-1]}"


def _clean(report: Report) -> str:
    return f"no finding; {covered(report)}" if report.complete else f"no finding so far; {covered(report)}"


def _outcomes(report: Report, *, width: int | None, colour: bool) -> str:
    counted, traced = report.census, report.trace_census
    if report.complete and (counted is not None or traced is not None):
        return counts_table(counted, "", traced, "", width=width, colour=colour).partition("\n\n")[2]
    table = _table("outcome seen", "runs", right=[1]) if report.runs is not None else _table("outcome seen")
    for outcome, runs in report.outcomes.items():
        table.add_row(str(outcome), *([number(runs)] if runs is not None else []))
    return table_text(table, width=width, colour=colour)
