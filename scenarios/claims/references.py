"""The claims about reference counts: what `sys.getrefcount` says, what comes of no protection, what the GIL does for them."""

from __future__ import annotations

from collections.abc import Sequence

from scenarios.claims.claim import Asked, Claim, Evidence, Verdict
from scenarios.refcount.compare import Ending, judge
from scenarios.refcount.real import counted
from scenarios.refcount.sharing import Sharing
from simulator.analysis.finding import Kind
from simulator.render.text import percent

__all__ = ["CLAIMS"]

DROPS = Sharing(("drop", "drop"))
COPIES = Sharing(("copy", "copy"))


def _getrefcount(asked: Asked) -> Evidence:
    model = (
        "two names are two references; whether the call adds one is the interpreter's affair: that is no matter of threads",
    )
    if not asked.real:
        return Evidence(Verdict.OPEN, model, why="only a real Python can say; leave out --no-real")
    machine = []
    three = []
    for one in counted(asked.interpreter):
        machine.append(f"{asked.interpreter}, in {one.where}: {one.two_names}, then {one.one_name} ({one.why})")
        three.append((one.two_names, one.one_name) == (3, 2))
    if all(three):
        return Evidence(Verdict.CONFIRMED, model, tuple(machine))
    why = "on the version, and on where the name is: a Python that lends a local variable's reference does not count it"
    return Evidence(Verdict.DEPENDS if any(three) else Verdict.REFUTED, model, tuple(machine), why)


def _unprotected(asked: Asked) -> Evidence:
    model = []
    ends: set[Ending] = set()
    for sharing, said in ((DROPS, "each drop their reference"), (COPIES, "each copy and drop")):
        verdict = judge(sharing)
        shares = {how: verdict.share(how) for how in Ending if verdict.endings[how]}
        ends |= set(shares)
        parts = ", ".join(f"{how} {percent(share)}" for how, share in shares.items())
        model.append(f"two threads {said}: of {verdict.census.interleavings:,} interleavings {parts}")
    both = {Ending.LEAKED, Ending.FREED_EARLY} <= ends
    short = "; ".join(line.partition("of ")[2] for line in model[-1:])
    return Evidence(Verdict.CONFIRMED if both else Verdict.REFUTED, tuple(model), short=short)


def _protected(asked: Asked) -> Evidence:
    ways: Sequence[tuple[str, Sharing]] = [
        (name, Sharing(("drop", "copy"), protection=name)) for name in ("per-object", "global", "atomic", "biased")
    ]
    proved = {name: judge(sharing).proved for name, sharing in ways}
    model = [f"{name}: {'proved, every interleaving' if right else 'NOT proved'}" for name, right in proved.items()]
    per_object = judge(Sharing(("assign", "assign"), ("a", "b"), protection="per-object"))
    deadlocks = any(finding.kind is Kind.DEADLOCK for finding in per_object.report.findings)
    globally = judge(Sharing(("assign", "assign"), ("a", "b"), protection="global"))
    if deadlocks:
        share = percent(per_object.share(Ending.DEADLOCKED))
        model.append(
            f"one lock for each object, where two are needed at once: {share} of the interleavings deadlock; one for all: none"
        )
    right = all(proved.values()) and deadlocks and globally.proved
    short = "one lock for all is proved; one for each object deadlocks where two are needed; biased counts need no GIL"
    return Evidence(Verdict.CONFIRMED if right else Verdict.REFUTED, tuple(model), short=short)


CLAIMS = (
    Claim(
        "getrefcount says 3",
        "a list with two names has 3 references as `sys.getrefcount` says it, and 2 when one name is deleted",
        _getrefcount,
        ("python -m scenarios.refcount --real",),
    ),
    Claim(
        "unprotected counts",
        "two threads that change one object's count without a lock can leak it, or free it while it is in use",
        _unprotected,
        ("simulator explore refcount", "simulator explore refcount --work copy", "python -m scenarios.refcount"),
    ),
    Claim(
        "one lock for all counts",
        "a lock for each object can deadlock; one lock for all of them, the GIL, protects every count",
        _protected,
        (
            "simulator explore refcount --protection global",
            "simulator explore refcount --protection per-object --objects 2 --work assign",
            "simulator explore refcount --protection biased --threads 3",
        ),
    ),
)
