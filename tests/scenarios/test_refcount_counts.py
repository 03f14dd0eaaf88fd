"""The exact shares of the reference counts, held against a slow enumerator of its own, which uses nothing of the package.

It runs every interleaving from its first step, and watches what each step touches: it knows that an object was touched whose
count had come to 0 because it saw it, where the package concludes it from the memory at the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable
from math import factorial

import pytest

from scenarios.refcount.compare import Ending, judge
from scenarios.refcount.sharing import Sharing

Waiting = str | None
"""What a thread waits for before its next step: a lock, or nothing."""


class World:
    """The counts, what was freed how often, the locks taken, and whether something freed, or about to be, was touched."""

    def __init__(self, counts: dict[str, int]) -> None:
        self.counts = dict(counts)
        self.freed: Counter[str] = Counter()
        self.held: set[str] = set()
        self.given: dict[str, int] = dict.fromkeys(counts, 0)
        self.closed: set[str] = set()
        self.touched_freed = False


class Died(Exception):
    """A thread touched freed memory."""


def locks(protection: str, things: Iterable[str]) -> list[str]:
    return {"per-object": [f"lock {thing}" for thing in things], "global": ["gil"]}.get(protection, [])


def acquire(world: World, names: list[str]) -> Generator[Waiting, None, None]:
    for name in names:
        yield name
        world.held.add(name)


def release(world: World, names: list[str]) -> Generator[Waiting, None, None]:
    for name in reversed(names):
        yield None
        world.held.remove(name)


def change(world: World, protection: str, thing: str, by: int) -> Generator[Waiting, None, int | None]:
    """What is left of the count; None when there was nothing to count."""
    yield None
    old = world.counts[thing]
    if protection == "atomic":
        world.counts[thing] += by
    elif old > 0:
        yield None
        yield None
        world.touched_freed |= world.counts[thing] == 0
        world.counts[thing] = old + by
    return old + by if old > 0 else None


def settle(world: World, thing: str, left: int | None) -> Generator[Waiting, None, None]:
    if left is None:
        world.touched_freed = True
        raise Died
    if left == 0:
        yield None
        world.freed[thing] += 1
        if world.freed[thing] > 1:
            raise Died


def use(world: World, thing: str) -> Generator[Waiting, None, None]:
    yield None
    if world.freed[thing]:
        world.touched_freed = True
        raise Died


def thread(
    world: World, work: str, number: int, things: tuple[str, ...], protection: str
) -> Generator[Waiting, None, None]:
    if work == "assign":
        mine, other = things[number % len(things)], things[(number + 1) % len(things)]
        needed = locks(protection, (other, mine))
        yield from acquire(world, needed)
        left_of_other = yield from change(world, protection, other, +1)
        left_of_mine = yield from change(world, protection, mine, -1)
        yield from release(world, needed)
        yield from settle(world, other, left_of_other)
        yield from settle(world, mine, left_of_mine)
        return
    for thing in things:
        actions = list({"drop": "-", "copy": "+u--", "take": "+u-", "borrow": "u", "give": "+g", "collect": "c-"}[work])
        while actions:
            action = actions.pop(0)
            if action == "u":
                yield from use(world, thing)
                continue
            if action in "gc":
                yield None
                if action == "c":
                    actions += "-" * world.given[thing]
                    world.closed.add(thing)
                elif thing in world.closed:
                    actions += "--"
                else:
                    world.given[thing] += 2
                continue
            needed = locks(protection, (thing,))
            yield from acquire(world, needed)
            left = yield from change(world, protection, thing, +1 if action == "+" else -1)
            yield from release(world, needed)
            yield from settle(world, thing, left)


def run(
    schedule: list[int], works: tuple[str, ...], things: tuple[str, ...], protection: str
) -> tuple[World, dict[int, Waiting]]:
    """The world after a schedule, and the threads that have not ended with what they wait for."""
    owned = sum(work not in ("borrow", "take") for work in works)
    world = World(dict.fromkeys(things, owned))
    threads = [thread(world, work, number, things, protection) for number, work in enumerate(works)]
    waiting = {number: next(one) for number, one in enumerate(threads)}
    for number in schedule:
        try:
            waiting[number] = next(threads[number])
        except (StopIteration, Died):
            del waiting[number]
    return world, waiting


def endings(works: tuple[str, ...], things: tuple[str, ...], protection: str) -> Counter[Ending]:
    """Every interleaving, each run from its beginning."""
    after = 2 * works.count("assign") // len(things)
    found: Counter[Ending] = Counter()

    def walk(schedule: list[int]) -> None:
        world, waiting = run(schedule, works, things, protection)
        enabled = [number for number, lock in waiting.items() if lock is None or lock not in world.held]
        for number in enabled:
            walk([*schedule, number])
        if enabled:
            return
        kept = [world.counts[thing] for thing in things if not world.freed[thing]]
        if any(times > 1 for times in world.freed.values()):
            found[Ending.FREED_TWICE] += 1
        elif world.touched_freed or (after and len(kept) < len(things)):
            found[Ending.FREED_EARLY] += 1
        elif waiting:
            found[Ending.DEADLOCKED] += 1
        elif any(number < after for number in kept):
            found[Ending.FREED_EARLY] += 1
        elif any(number > after or not after for number in kept):
            found[Ending.LEAKED] += 1
        else:
            found[Ending.RIGHT] += 1

    walk([])
    return found


ONE, TWO = ("a",), ("a", "b")


@pytest.mark.parametrize(
    ("works", "things", "protection"),
    [
        (("drop", "drop"), ONE, "none"),
        (("drop", "copy"), ONE, "none"),
        (("drop", "take"), ONE, "none"),
        (("drop", "borrow"), ONE, "none"),
        (("drop", "take", "borrow"), ONE, "none"),
        (("drop", "drop", "drop"), ONE, "none"),
        (("drop", "drop"), TWO, "none"),
        (("drop", "borrow"), TWO, "none"),
        (("collect", "give"), ONE, "none"),
        (("collect", "give"), ONE, "global"),
        (("collect", "give", "drop"), ONE, "atomic"),
        (("assign", "assign"), TWO, "none"),
        (("assign", "assign"), TWO, "per-object"),
        (("assign", "assign"), TWO, "global"),
        (("assign", "assign"), TWO, "atomic"),
        (("copy", "copy"), ONE, "per-object"),
        (("copy", "copy"), ONE, "global"),
        (("copy", "copy"), ONE, "atomic"),
        (("drop", "take"), ONE, "global"),
        (("drop", "take"), ONE, "atomic"),
        (("drop", "drop", "copy"), ONE, "atomic"),
        (("drop", "copy"), TWO, "atomic"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else value,
)
def test_shares_are_those_of_every_interleaving_run_one_by_one(
    works: tuple[str, ...], things: tuple[str, ...], protection: str
) -> None:
    slow = endings(works, things, protection)
    verdict = judge(Sharing(works, things, protection=protection))
    assert {how: number for how, number in verdict.endings.items() if number} == dict(slow)
    assert verdict.census.interleavings == slow.total()


def test_decrefs_of_as_many_references_are_right_only_one_after_the_other() -> None:
    for threads in (2, 3):
        verdict = judge(Sharing(("drop",) * threads))
        assert verdict.endings[Ending.RIGHT] == factorial(threads)
        assert verdict.census.interleavings == factorial(3 * threads) // factorial(3) ** threads


def test_the_article_s_case_is_two_right_and_eighteen_leaked() -> None:
    assert endings(("drop", "drop"), ONE, "none") == {Ending.RIGHT: 2, Ending.LEAKED: 18}
