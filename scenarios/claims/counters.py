"""The claims about the counter: it loses updates, a lock makes it right, and the GIL does not make `+=` atomic."""

from __future__ import annotations

from fractions import Fraction

from scenarios.claims.claim import Asked, Claim, Evidence, Verdict
from scenarios.counter import counter
from scenarios.plain_counter import plain
from scenarios.plain_variants import VARIANTS
from scenarios.variants import Seen, granularity_of, natural, says, verdict
from simulator.analysis.finding import Kind
from simulator.census import count
from simulator.explore import check
from simulator.real.walked import walk_plain
from simulator.render.text import percent
from simulator.search.replay import replay
from simulator.source.granularity import GRANULARITIES
from simulator.source.threads import Threads

__all__ = ["CLAIMS"]

FORCED = 100
"""How often real threads are made to walk a witness."""
INCREMENTS = 20_000
"""How often each thread adds one in a natural run."""
LOSES = ("plain", "property")


def _loses(asked: Asked) -> Evidence:
    report = check(counter(threads=2)).uninterrupted()
    lost = next(finding for finding in report.findings if finding.kind is Kind.LOST_UPDATE)
    share = lost.share
    assert share is not None
    five = count(counter(threads=5))
    right = sum(number for outcome, number in five.outcomes.items() if outcome.memory == (("count", 5),))
    model = (
        f"two threads, one increment each: an update is lost in {share.count} of {share.total} interleavings; the shortest "
        f"witness is {lost.witness}",
        f"five threads: the count is right in {right:,} of {five.interleavings:,} interleavings, "
        f"{percent(Fraction(right, five.interleavings))}",
    )
    alone = "can happen" if verdict("plain", granularity_of(asked.interpreter))[0] else "is not to be expected"
    by_itself = f"by itself it {alone} on {asked.interpreter}: see 'the GIL and +='"
    short = f"in {share.count} of {share.total} interleavings of two threads"
    if not asked.real:
        return Evidence(Verdict.CONFIRMED, model, (), f"in the model; {by_itself}", f"{short}; {by_itself}")
    threads = Threads(plain(2, 1, lock=False, start=5))
    walks = check(threads.program).uninterrupted()
    witness = next(finding for finding in walks.findings if finding.kind is Kind.LOST_UPDATE).witness
    assert witness is not None
    walked = walk_plain(threads, replay(threads.program, witness), times=FORCED)
    agreed = FORCED - len(walked.differences)
    machine = (
        f"real threads made to walk that schedule through `self.count += offset`: lost {agreed} of {FORCED} times",
    )
    if agreed < FORCED:
        return Evidence(Verdict.REFUTED, model, machine)
    short += f", and by force in {agreed} of {FORCED} walks of real threads"
    return Evidence(
        Verdict.CONFIRMED, model, machine, f"in the model and by force; {by_itself}", f"{short}; {by_itself}"
    )


def _locked(asked: Asked) -> Evidence:
    clean = {threads: check(counter(threads=threads, increments=2, lock=True)).uninterrupted() for threads in (2, 3, 4)}
    proved = all(report.clean and report.complete for report in clean.values())
    model = (
        f"{', '.join(map(str, clean))} threads, two increments each, with a lock: no finding, complete: a proof for each"
        if proved
        else "with a lock, something is still found",
    )
    short = f"{', '.join(map(str, clean))} threads {'proved' if proved else 'NOT proved'}, every interleaving"
    machine: tuple[str, ...] = ()
    lost = 0
    if asked.real:
        seen = natural("lock", asked.interpreter, runs=asked.runs, increments=INCREMENTS)
        lost = seen.lost
        machine = (f"natural runs on {asked.interpreter}: an update lost in {seen}",)
        short += f"; {machine[0]}"
    return Evidence(Verdict.CONFIRMED if proved and not lost else Verdict.REFUTED, model, machine, short=short)


def _atomic(asked: Asked) -> Evidence:
    granularity = granularity_of(asked.interpreter)
    kinds = tuple(kind for kind in GRANULARITIES if kind != "operations")
    model = [
        f"`+=` can lose an update in {says('plain', kind)} interleavings at the granularity {kind}"
        if verdict("plain", kind)[0]
        else f"`+=` never loses one at the granularity {kind}: proved over all {verdict('plain', kind)[1]:,} interleavings"
        for kind in kinds
    ]
    losing = [name for name in VARIANTS if name not in ("plain", "split", "lock") and verdict(name, "cpython-3.11")[0]]
    model.append(f"with something between the read and the write ({', '.join(losing)}) it can, even there")
    machine = []
    wrong = False
    if asked.real:
        for name in LOSES:
            seen: Seen = natural(name, asked.interpreter, runs=asked.runs, increments=5 * INCREMENTS)
            wrong |= bool(seen.lost) and not verdict(name, granularity)[0]
            machine.append(f"natural runs on {asked.interpreter}, {name}: an update lost in {seen}")
    why = (
        "on the version: since 3.10 the GIL changes hands only at some bytecodes, none of which stands inside a plain "
        "`+=`; it does in older versions, without the GIL, and wherever a property or a call stands in between"
    )
    if wrong:
        return Evidence(
            Verdict.REFUTED, tuple(model), tuple(machine), "the machine contradicts the model: a bug in the model"
        )
    short = f"never on CPython with the GIL since 3.10 (proved), in {says('plain', 'free-threaded')} interleavings elsewhere"
    return Evidence(Verdict.DEPENDS, tuple(model), tuple(machine), why, short)


CLAIMS = (
    Claim(
        "racy counter",
        "five threads that each add one to a shared count lose updates: read, add, write of two threads get mixed",
        _loses,
        (
            "simulator explore counter --start 5",
            "simulator count counter --threads 5",
            "simulator crosscheck counter --granularity free-threaded --all",
        ),
    ),
    Claim(
        "locked counter",
        "with a lock around the `+=` the count is right",
        _locked,
        (
            "simulator explore counter --lock --threads 4",
            "simulator crosscheck counter --lock --granularity free-threaded --all",
        ),
    ),
    Claim(
        "the GIL and +=",
        "the GIL does not make `self.count += 1` atomic",
        _atomic,
        (
            "simulator explore counter --granularity cpython-3.11",
            "simulator explore counter --granularity free-threaded",
            "python -m scenarios.variants",
        ),
    ),
)
