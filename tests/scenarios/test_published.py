"""The published programs: each does, step by step, what its source says, and has the traces of its closed form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import entry_points
from math import comb, factorial
from pathlib import Path

import pytest

from simulator.analysis.finding import Kind
from simulator.census import count
from simulator.clocks import canonical_form
from simulator.errors import UsageError
from simulator.explore import check
from simulator.loading import GROUP, load
from simulator.machine import Machine
from simulator.ops import Acquire, Add, CompareAndSwap, Read, Release, Update, Write, show_name
from simulator.program import Program
from simulator.search.dpor import Dpor
from simulator.search.naive import interleavings
from simulator.search.replay import run_of
from simulator.trace import Event
from tests.cli.command_line import simulator

# The steps when one thread after the other runs as far as it can: R read, W write, M update, + add, C swap (C- when it
# fails), L acquire, U release.
SERIAL = {
    "counter-rw --n 2 --k 2": "R c, W c=1, R c, W c=2 | R c, W c=3, R c, W c=4",
    "locked-counter": "L lock, R count, +, W count=1, U lock | L lock, R count, +, W count=2, U lock",
    "ainc --n 3": "M x | M x | M x",
    "binc": "M x, M y | M x, M y",
    "lockinc": "L m, M x, U m | L m, M x, U m",
    "writers --n 3": "W x=1 | W x=2 | W x=3",
    "readers": "W x=1 | R own[0], R x | R own[1], R x",
    "coa --n 3": "W x=1, R y, R x | W x=2, R z, R x | W y=1, W z=1 | W y=1, W z=1",
    "wrw": "W x=1 | R x, W x=2 | R x, W x=2",
    "publish": "W x=1, W flag=1 | R flag, R x",
    "cas": "C x 0 1 | C- x 0 2",
    "casrot": "C x 0 1 | C x 1 2",
    "casw": "C x 0 1, W x=3 | C- x 0 1, W x=4",
    "wcas": "W x=2 | C x 2 3 | C- x 2 3",
    "lastzero": "R a[2] | R a[0], W a[1]=1 | R a[1], W a[2]=2",
    "indexer --n 1": (
        "L m[77], R t[77], W t[77]=11, U m[77], L m[26], R t[26], W t[26]=22, U m[26],"
        " L m[103], R t[103], W t[103]=33, U m[103], L m[52], R t[52], W t[52]=44, U m[52]"
    ),
    "filesystem": (
        "L li[0], R inode[0], L lb[0], R busy[0], W busy[0]=1, W inode[0]=1, U lb[0], U li[0]"
        " | L li[1], R inode[1], L lb[2], R busy[2], W busy[2]=1, W inode[1]=3, U lb[2], U li[1]"
    ),
    "philosophers --n 3": "L f[0], L f[1], U f[1], U f[0] | L f[1], L f[2], U f[2], U f[1] | L f[2], L f[0], U f[0], U f[2]",
    "philosophers --n 2 --ordered": "L f[0], L f[1], U f[1], U f[0] | L f[0], L f[1], U f[1], U f[0]",
    "bank-ring --n 2": (
        "L l[0], L l[1], R b[0], W b[0]=0, R b[1], W b[1]=0, U l[1], U l[0]"
        " | L l[1], L l[0], R b[1], W b[1]=0, R b[0], W b[0]=0, U l[0], U l[1]"
    ),
    "bank-ring --n 2 --ordered": (
        "L l[0], L l[1], R b[0], W b[0]=0, R b[1], W b[1]=0, U l[1], U l[0]"
        " | L l[0], L l[1], R b[1], W b[1]=0, R b[0], W b[0]=0, U l[1], U l[0]"
    ),
    "mpat": "L a[0], U a[0] | L a[1], U a[1] | L m, L a[0], U a[0], U m | L m, L a[1], U a[1], U m",
    "mutex-deadlock": "L m | ",
    "popl-optimal-example": "W x=1 | W y=1 | R y | R z",
    "sleeping-races": "W w=1 | W x=1 | W y=1 | R y, W z=1 | R y, R z, R x, R w",
    "notdep-trap": "W x=1 | W z=1 | W x=1 | R z | R x, W x=1, R z",
    "account": "L m, R dd, U m | L m, R bal, W bal=3, W dd=1, U m | L m, R bal, W bal=-1, W wd=1, U m",
    "bluetooth": "R stopping, M pending, R stopped, M pending | W stopping=1, M pending, W event=1, R event, W stopped=1",
    "carter01": (
        "L m, R A, W A=1, R A, L l, U m, L m, R A, W A=0, R A, U l, U m"
        " | L m, R B, W B=1, R B, L l, U m, L m, R B, W B=0, R B, U l, U m"
    ),
    "deadlock01": "L a, L b, R c, W c=1, U b, U a | L b, L a, R c, W c=2, U a, U b",
    "lazy01": "L m, R d, W d=1, U m | L m, R d, W d=3, U m | L m, R d",
    "reorder": "W a=1, W b=-1 | W a=1, W b=-1 | R a, R a, R b",
    "token-ring": (
        "L m, R x[3], W x[1]=2, W f[1]=1, U m | L m, R x[1], W x[2]=2, W f[2]=1, U m | L m, R x[2], W x[3]=2, W f[3]=1, U m"
        " | L m, R f[1], R f[2], R f[3], R x[1], R x[2], R x[3], U m"
    ),
    "twostage": "L l1, W d1=1, U l1, L l2, R d1, W d2=2, U l2 | L l1, R d1, R d1, U l1, L l2, R d2, U l2",
}


def program(text: str) -> Program:
    """The program of a scenario's name and options, as they are typed."""
    name, *words = text.split()
    values: dict[str, object] = {}
    for option in " ".join(words).split("--")[1:]:
        parameter, _, size = option.strip().partition(" ")
        values[parameter] = int(size) if size else True
    return load(name).program(**values)


def one_after_the_other(of: Program) -> Iterator[list[Event]]:
    """Each thread's steps when it runs alone, after those before it; an AssertionError when it would run for ever."""
    machine = Machine(of)
    state = machine.initial
    for thread in range(len(of.threads)):
        steps: list[Event] = []
        seen = {state}
        while thread in machine.enabled(state):
            state, event = machine.step(state, thread)
            steps.append(event)
            assert state not in seen, "runs for ever"
            seen.add(state)
        yield steps


def notation(event: Event) -> str:
    match event.operation:
        case Read(location):
            return f"R {show_name(location)}"
        case Write(location, value):
            return f"W {show_name(location)}={value}"
        case Update(location):
            return f"M {show_name(location)}"
        case CompareAndSwap(location, expected, new):
            return f"C{'' if event.answer else '-'} {show_name(location)} {expected} {new}"
        case Acquire(lock):
            return f"L {show_name(lock)}"
        case Release(lock):
            return f"U {show_name(lock)}"
        case Add():
            return "+"
    raise AssertionError(event)


def traces(of: Program) -> int:
    """How many Mazurkiewicz traces, by going through every interleaving."""
    machine = Machine(of)
    return len({canonical_form(run_of(machine, found.schedule).events) for found in interleavings(machine)})


PUBLISHED = sorted(entry.name for entry in entry_points(group=GROUP) if entry.value.startswith("scenarios.published."))


def test_every_published_program_is_registered_and_every_registered_one_is_spelt_out_here() -> None:
    assert sorted({text.split()[0] for text in SERIAL}) == PUBLISHED


@pytest.mark.parametrize("text", SERIAL)
def test_its_threads_take_these_steps_one_after_the_other(text: str) -> None:
    found = [", ".join(map(notation, steps)) for steps in one_after_the_other(program(text))]
    assert " | ".join(found) == SERIAL[text]


@pytest.mark.parametrize("name", PUBLISHED)
def test_its_name_and_its_program_s_name_are_one_and_its_defaults_are_explored_in_full_at_once(name: str) -> None:
    loaded = load(name)
    assert (loaded.name, loaded.program().name) == (name, name)
    report = check(loaded.program())
    assert report.complete
    assert report.states is not None
    assert report.states < 1_000


# -- traces by closed form

CLOSED_FORMS = {
    **{f"counter-rw --n {n}": factorial(n) ** 2 for n in (1, 2, 3)},
    **{f"locked-counter --n {n} --k {k}": factorial(n * k) // factorial(k) ** n for n, k in [(2, 3), (3, 1), (3, 2)]},
    **{f"ainc --n {n}": factorial(n) for n in (1, 3, 5)},
    **{f"binc --n {n}": factorial(n) ** 2 for n in (1, 2, 3)},
    **{f"lockinc --n {n}": factorial(n) for n in (1, 3, 5)},
    **{f"writers --n {n}": factorial(n) for n in (1, 3, 5)},
    **{f"readers --n {n}": 2**n for n in (1, 2, 3)},
    **{f"publish --k {k}": k + 1 for k in (1, 2, 10)},
    **{f"cas --n {n}": n for n in (1, 3, 5)},
    **{f"wcas --n {n}": 1 + n * 2 ** (n - 1) for n in (1, 2, 3, 4)},
    **{f"lastzero --n {n}": (n + 3) * 2**n // 4 for n in (1, 2, 3)},
    **{f"philosophers --n {n}": 2**n - 1 for n in (2, 3)},
    **{f"philosophers --n {n} --ordered": 2**n - 2 for n in (2, 3)},
    **{f"bank-ring --n {n}": 2**n - 1 for n in (2, 3)},
    **{f"bank-ring --n {n} --ordered": 2**n - 2 for n in (2, 3)},
    **{f"mpat --k {k}": 2**k * factorial(k) for k in (1, 2)},
    **{f"mutex-deadlock --n {n}": n for n in (2, 5)},
    "filesystem --n 1": 1,
    "indexer --n 1": 1,
}


@pytest.mark.parametrize("text", CLOSED_FORMS)
def test_it_has_the_traces_of_its_closed_form(text: str) -> None:
    assert traces(program(text)) == CLOSED_FORMS[text]


LARGER = {
    "counter-rw --n 4": factorial(4) ** 2,
    "locked-counter --n 3 --k 2": factorial(6) // factorial(2) ** 3,
    "binc --n 4": factorial(4) ** 2,
    "readers --n 10": 2**10,
    "publish": 42,
    "cas --n 12": 12,
    "wcas --n 8": 1 + 8 * 2**7,
    "lastzero --n 9": 12 * 2**7,
    "indexer --n 11": 1,
    "indexer --n 13": 8**2,
    "indexer --n 14": 8**3,
    "filesystem --n 13": 1,
    "filesystem --n 20": 2**7,
    "philosophers --n 9": 2**9 - 1,
    "philosophers --n 9 --ordered": 2**9 - 2,
    "bank-ring --n 9": 2**9 - 1,
    "bank-ring --n 9 --ordered": 2**9 - 2,
    "mpat --k 5": 2**5 * factorial(5),
    "mutex-deadlock --n 20": 20,
}


@pytest.mark.parametrize("text", LARGER)
def test_optimal_dpor_explores_as_many_at_larger_sizes(text: str) -> None:
    assert sum(1 for _ in Dpor(Machine(program(text))).runs()) == LARGER[text]


@pytest.mark.parametrize(("name", "steps"), [("indexer", 16), ("filesystem", 8)])
def test_two_threads_that_never_meet_have_every_order_of_their_steps(name: str, steps: int) -> None:
    census = count(program(name))
    assert census.interleavings == comb(2 * steps, steps)
    assert len(census.outcomes) == 1


# -- where the arrays are full


@pytest.mark.parametrize(("name", "most"), [("indexer", 32), ("filesystem", 26)])
def test_beyond_its_size_a_table_has_no_free_place_and_a_thread_looks_for_ever(name: str, most: int) -> None:
    assert len(list(one_after_the_other(program(f"{name} --n {most}")))) == most
    with pytest.raises(AssertionError, match="runs for ever"):
        list(one_after_the_other(program(f"{name} --n {most + 1}")))


def test_a_thread_passes_over_what_is_taken_to_the_next_free_place() -> None:
    # Thread 11's entry 11·1 + 11 is thread 0's entry 11·2 + 0: the same hash.
    *_, last = one_after_the_other(program("indexer --n 12"))
    assert [notation(step) for step in last][:7] == [
        *["L m[26]", "R t[26]", "U m[26]"],
        *["L m[27]", "R t[27]", "W t[27]=22", "U m[27]"],
    ]
    # The 14th inode begins at the first one's block.
    *_, last = one_after_the_other(program("filesystem --n 14"))
    assert [notation(step) for step in last] == [
        *["L li[13]", "R inode[13]", "L lb[0]", "R busy[0]", "U lb[0]"],
        *["L lb[1]", "R busy[1]", "W busy[1]=1", "W inode[13]=2", "U lb[1]", "U li[13]"],
    ]


def test_the_33rd_thread_finds_that_its_inode_has_a_block() -> None:
    bodies = program("filesystem --n 64").bodies
    assert (bodies["t32"].args, bodies["t63"].args) == ((0,), (31,))  # type: ignore[attr-defined]


# -- what is the same, and what goes wrong

CLASSES = {
    "counter-rw --n 3": "012",
    "locked-counter --n 3": "012",
    "ainc --n 3": "012",
    "binc --n 3": "012",
    "lockinc --n 3": "012",
    "mutex-deadlock --n 3": "012",
    "wrw --n 3": "0 123",
    "wcas --n 3": "0 123",
    "coa --n 4": "0 1 234",
    "reorder --setters 3 --checkers 2": "012 34",
    "twostage --writers 2 --readers 3": "01 234",
    "notdep-trap": "02 1 3 4",
}


def test_threads_that_do_the_same_are_interchangeable() -> None:
    for text, classes in CLASSES.items():
        assert " ".join("".join(map(str, members)) for members in program(text).interchangeable()) == classes, text
    # There are 32 inodes.
    assert program("filesystem --n 34").interchangeable()[:3] == ((0, 32), (1, 33), (2,))


WRONG = {
    "account": {Kind.FAILED_CHECK},
    "bluetooth": {Kind.FAILED_CHECK, Kind.DATA_RACE},
    "carter01": {Kind.DEADLOCK, Kind.LOCK_ORDER_CYCLE},
    "deadlock01": {Kind.DEADLOCK, Kind.LOCK_ORDER_CYCLE},
    "lazy01": {Kind.FAILED_CHECK},
    "reorder": {Kind.FAILED_CHECK, Kind.DATA_RACE},
    "token-ring": {Kind.FAILED_CHECK},
    "twostage": {Kind.FAILED_CHECK},
    # Beside a second writer: one reads d1 under l2 while the other writes it under l1.
    "twostage --writers 2 --readers 2": {Kind.FAILED_CHECK, Kind.DATA_RACE},
    "philosophers": {Kind.DEADLOCK, Kind.LOCK_ORDER_CYCLE},
    "philosophers --ordered": set(),
    "bank-ring": {Kind.DEADLOCK, Kind.LOCK_ORDER_CYCLE},
    "bank-ring --ordered": set(),
    "mutex-deadlock": {Kind.DEADLOCK, Kind.LOCK_MISUSE},
    "counter-rw": {Kind.LOST_UPDATE, Kind.DATA_RACE},
    "locked-counter": set(),
    "ainc": set(),
    "binc": set(),
    "lockinc": set(),
    "cas": set(),
    "casrot": set(),
    "mpat": set(),
    "indexer": set(),
    "filesystem": set(),
}


@pytest.mark.parametrize("text", WRONG)
def test_what_goes_wrong_is_found_and_nothing_else(text: str) -> None:
    report = check(program(text))
    assert report.complete
    assert {finding.kind for finding in report.findings} == WRONG[text]


# -- sizes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("readers --n 0", "n is 0, expected a whole number, 1 to 64"),
        ("indexer --n 65", "n is 65, expected a whole number, 1 to 64"),
        ("philosophers --n 1", "n is 1, expected a whole number, 2 to 128"),
        ("counter-rw --k 0", "k is 0, expected a whole number, 1 to 1000"),
        ("mutex-deadlock --n 1", "n is 1, expected a whole number, 2 to 64"),
        ("account --n 2", "'account' has no parameter 'n'"),
    ],
)
def test_sizes_are_checked(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        program(text)
    assert str(caught.value) == said


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_largest_sizes_make_a_program_whose_first_steps_can_be_taken(name: str) -> None:
    loaded = load(name)
    largest = {parameter.name: parameter.bounds.high for parameter in loaded.parameters if parameter.kind is int}
    made = loaded.program(**largest)
    machine = Machine(made)
    found = next(interleavings(machine, max_steps=200))
    assert found.schedule
    assert len(made.threads) >= max((high for size, high in largest.items() if size != "k" and high), default=1)


@pytest.mark.parametrize(
    ("words", "interleavings_"),
    [
        (("readers", "--n", "3"), "630"),
        (("counter-rw", "--n", "2", "--k", "2"), "70"),
        (("philosophers", "--n", "2"), "6"),
    ],
)
def test_sizes_are_options_of_the_command_line(words: tuple[str, ...], interleavings_: str) -> None:
    ran = simulator("count", *words)
    assert ran.code == 0
    assert ran.lines[0].startswith(f"{words[0]}: {interleavings_} interleavings")


# -- the document


def test_the_document_has_every_published_program_once() -> None:
    text = (Path(__file__).parents[2] / "docs" / "published-programs.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| `([\w-]+)", text, re.MULTILINE)) == PUBLISHED
