"""A history as text and as a picture: who held the GIL when, and what each task did meanwhile. Strings out, nothing
printed."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from scenarios.gil.history import History
from scenarios.gil.spans import Doing, Span, holders, spans

__all__ = ["duration", "svg", "text"]

_SOME = "▪"
_LEGEND = (
    (Doing.RUNS.value, "runs"),
    (_SOME, "runs for less than half of the column"),
    (Doing.WAITS_FOR_GIL.value, "waits for the GIL"),
    (Doing.WAITS_FOR_CORE.value, "waits for a core"),
    (Doing.IO.value, "blocked on I/O"),
)


def duration(time: int) -> str:
    """A time in microseconds, for a person.

    >>> duration(250), duration(5_000), duration(1_234_500)
    ('250 µs', '5 ms', '1.2345 s')
    """
    for size, unit in ((1_000_000, "s"), (1_000, "ms")):
        if abs(time) >= size:
            return f"{time / size:.6f}".rstrip("0").rstrip(".") + f" {unit}"
    return f"{time} µs"


# -- text


def text(history: History, *, width: int = 72, until: int | None = None) -> str:
    """A line for each task, a column for each so many microseconds, and above them who held the GIL for most of it.

    A GIL that only one task could ever want has no line. `until` cuts what comes after that time.

    >>> from scenarios.gil.machine import simulate
    >>> from scenarios.gil.tasks import Cpu, Task, World
    >>> print(text(simulate(World((Task("a", (Cpu(9_000),)), Task("b", (Cpu(5_000),))))), width=14))
           a column is 1 ms
    GIL    aaaaabbbbbaaaa
    <BLANKLINE>
    a      █████·····████
    b      ·····█████
    <BLANKLINE>
           0 ……………… 14 ms
    █ runs   · waits for the GIL
    """
    end = history.end if until is None else min(until, history.end)
    column = _round(-(-end // width))
    columns = max(1, -(-end // column))
    names = [task.name for task in history.world.tasks]
    letters = _letters(names)
    processes = _shared_gils(history)
    labels = ["GIL" if len(processes) == 1 else f"GIL {process}" for process in processes]
    margin = max(6, *map(len, [*names, *labels]))
    lines = [f"{'':{margin}} a column is {duration(column)}"]
    if processes:
        stays = holders(history)
        for process, label in zip(processes, labels, strict=True):
            held = [[0] * columns for _ in names]
            for stay in stays:
                if stay.process == process:
                    _spread(held[names.index(stay.task)], stay.begin, min(stay.end, end), column)
            row = "".join(
                letters[max(range(len(names)), key=lambda place: held[place][number])]
                if any(times[number] for times in held)
                else " "
                for number in range(columns)
            )
            lines.append(f"{label:{margin}} {row}".rstrip())
        lines.append("")
    rows = {name: _row([span for span in spans(history) if span.task == name], columns, column, end) for name in names}
    lines += [f"{name:{margin}} {rows[name]}".rstrip() for name in names]
    said = duration(end)
    axis = f"0 {'…' * max(1, columns - len(said) - 3)} {said}"
    lines += ["", f"{'':{margin}} {axis}"]
    used = set("".join(rows.values()))
    lines.append("   ".join(f"{sign} {meaning}" for sign, meaning in _LEGEND if sign in used))
    if processes and any(letters[place] != name for place, name in enumerate(names)):
        lines += _wrapped([f"{letters[place]} {name}" for place, name in enumerate(names)], margin + 1 + width)
    return "\n".join(lines)


def _wrapped(entries: Sequence[str], width: int) -> list[str]:
    """Entries side by side, in as many lines as it takes.

    >>> _wrapped(["a main", "b t0", "c t1"], 16)
    ['a main   b t0', 'c t1']
    """
    lines = [""]
    for entry in entries:
        if lines[-1] and len(lines[-1]) + 3 + len(entry) > width:
            lines.append("")
        lines[-1] += f"   {entry}" if lines[-1] else entry
    return lines


def _shared_gils(history: History) -> list[str]:
    """The processes that have a GIL and more than one task."""
    if not history.world.gil:
        return []
    own = [task.process for task in history.world.tasks]
    return [process for process in dict.fromkeys(own) if own.count(process) > 1]


def _round(time: int) -> int:
    """At least that time, as a person would choose it: 1, 2 or 5 times a power of ten."""
    size = 1
    while True:
        for factor in (1, 2, 5):
            if factor * size >= time:
                return factor * size
        size *= 10


def _letters(names: Sequence[str]) -> list[str]:
    """One sign for each name: its first or its last, if that tells them apart."""
    for place in (0, -1):
        signs = [name[place] if name else "?" for name in names]
        if len(set(signs)) == len(signs):
            return signs
    return [chr(ord("a") + place % 26) for place in range(len(names))]


def _spread(times: list[int], begin: int, end: int, column: int) -> None:
    """Add the time from `begin` to `end` to the columns it lies in."""
    for number in range(begin // column, -(-end // column)):
        times[number] += min(end, (number + 1) * column) - max(begin, number * column)


def _row(own: Sequence[Span], columns: int, column: int, end: int) -> str:
    times = {doing: [0] * columns for doing in Doing}
    for span in own:
        if span.begin < end:
            _spread(times[span.doing], span.begin, min(span.end, end), column)
    row = ""
    for number in range(columns):
        most = max(Doing, key=lambda doing: times[doing][number])
        if not times[most][number]:
            row += " "
        elif most is not Doing.RUNS and times[Doing.RUNS][number]:
            row += _SOME
        else:
            row += most.value
    return row


# -- a picture

_COLOURS = ("#4477aa", "#ee6677", "#228833", "#aa7722", "#66ccee", "#aa3377", "#777777", "#bbbb33")
"""Paul Tol's "bright" scheme, which the colour-blind can tell apart; what a bar means is said by its form, too."""
_WIDE, _HIGH, _MARGIN = 900, 26, 90
_LONGEST = 10
"""Signs of a name that have room beside its line."""


def _label(name: str) -> str:
    """A name as it has room, the whole of it where the pointer rests."""
    if len(name) <= _LONGEST:
        return escape(name)
    return f"{escape(name[: _LONGEST - 1])}…<title>{escape(name)}</title>"


def svg(history: History, *, until: int | None = None, title: str = "") -> str:
    """The same as SVG: a bar where a task runs, a dotted line where it waits for the GIL, a thin line where it blocks
    on I/O.

    The same history gives the same bytes.
    """
    end = max(1, history.end if until is None else min(until, history.end))
    names = [task.name for task in history.world.tasks]
    colour = {name: _COLOURS[place % len(_COLOURS)] for place, name in enumerate(names)}
    processes = _shared_gils(history)
    top = 34 if title else 10
    labels = [("GIL" if len(processes) == 1 else f"GIL {process}") for process in processes]
    parts: list[str] = []
    if title:
        parts.append(f'<text x="{_MARGIN}" y="20" font-weight="bold">{escape(title)}</text>')

    def x(time: int) -> str:
        return f"{_MARGIN + time * _WIDE / end:.2f}"

    def bar(begin: int, finish: int, y: int, high: int, fill: str) -> str:
        width = max(0.6, (finish - begin) * _WIDE / end)
        return f'<rect x="{x(begin)}" y="{y}" width="{width:.2f}" height="{high}" fill="{fill}"/>'

    def line(begin: int, finish: int, y: int, style: str) -> str:
        return f'<line x1="{x(begin)}" y1="{y}" x2="{x(finish)}" y2="{y}" {style}/>'

    y = top
    for label, process in zip(labels, processes, strict=True):
        parts.append(
            f'<text x="{_MARGIN - 8}" y="{y + 17}" text-anchor="end" font-weight="bold">{_label(label)}</text>'
        )
        for stay in holders(history):
            if stay.process == process and stay.begin < min(stay.end, end):
                finish = min(stay.end, end)
                parts.append(bar(stay.begin, finish, y + 3, 20, colour[stay.task]))
                if (finish - stay.begin) * _WIDE / end > 9 * len(stay.task) + 6:
                    middle = (stay.begin + finish) // 2
                    parts.append(
                        f'<text x="{x(middle)}" y="{y + 17}" text-anchor="middle" fill="white">{escape(stay.task)}</text>'
                    )
        y += _HIGH
    y += 8 if processes else 0
    rows = {name: y + place * _HIGH for place, name in enumerate(names)}
    for name, row in rows.items():
        parts.append(f'<text x="{_MARGIN - 8}" y="{row + 17}" text-anchor="end">{_label(name)}</text>')
    for span in spans(history):
        begin, finish, row = span.begin, min(span.end, end), rows[span.task]
        if begin >= finish:
            continue
        if span.doing is Doing.RUNS:
            parts.append(bar(begin, finish, row + 3, 20, colour[span.task]))
        elif span.doing is Doing.IO:
            parts.append(line(begin, finish, row + 13, f'stroke="{colour[span.task]}" stroke-width="2"'))
        elif span.doing is Doing.WAITS_FOR_GIL:
            parts.append(line(begin, finish, row + 13, 'stroke="#222222" stroke-width="6" stroke-dasharray="2 4"'))
        elif span.doing is Doing.WAITS_FOR_CORE:
            parts.append(line(begin, finish, row + 13, 'stroke="#999999" stroke-width="12" stroke-dasharray="8 4"'))
    y += _HIGH * len(names) + 6
    parts.append(line(0, end, y, 'stroke="#222222" stroke-width="1"'))
    for tick in range(5):
        time = end * tick // 4
        parts.append(f'<text x="{x(time)}" y="{y + 16}" text-anchor="middle">{duration(time)}</text>')
    y += 38
    used = {span.doing for span in spans(history)}
    at = _MARGIN
    for doing, sample, meaning in (
        (Doing.RUNS, '<rect x="{0}" y="{1}" width="26" height="12" fill="#4477aa"/>', "runs"),
        (
            Doing.WAITS_FOR_GIL,
            '<line x1="{0}" y1="{2}" x2="{3}" y2="{2}" stroke="#222222" stroke-width="6" stroke-dasharray="2 4"/>',
            "waits for the GIL",
        ),
        (
            Doing.WAITS_FOR_CORE,
            '<line x1="{0}" y1="{2}" x2="{3}" y2="{2}" stroke="#999999" stroke-width="12" stroke-dasharray="8 4"/>',
            "waits for a core",
        ),
        (Doing.IO, '<line x1="{0}" y1="{2}" x2="{3}" y2="{2}" stroke="#4477aa" stroke-width="2"/>', "blocked on I/O"),
    ):
        if doing in used:
            parts.append(sample.format(at, y - 10, y - 4, at + 26))
            parts.append(f'<text x="{at + 34}" y="{y}">{meaning}</text>')
            at += 60 + 8 * len(meaning)
    size = f'width="{_WIDE + _MARGIN + 40}" height="{y + 14}" viewBox="0 0 {_WIDE + _MARGIN + 40} {y + 14}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>", ""])
