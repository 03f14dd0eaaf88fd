"""A class of a library, as it stands: cachetools 8.0.1, whose caches are documented not to be thread-safe."""

from __future__ import annotations

from functools import partial
from importlib.metadata import version

import pytest
from cachetools import LRUCache

from simulator.explore import check, explore
from simulator.real.plain_code import PlainForcing
from simulator.real.walked import walk_plain
from simulator.scenario import Plain
from simulator.search.replay import replay
from simulator.source.threads import Threads

pytestmark = pytest.mark.real


def full() -> LRUCache:
    cache = LRUCache(maxsize=2)
    cache["a"], cache["b"] = 1, 2
    return cache


PLAIN = Plain(
    full,
    lambda cache: {
        "reader": partial(cache.get, "a", "gone"),
        "writer": partial(cache.__setitem__, "c", 3),
    },
)


def test_get_with_a_default_can_raise_and_a_writer_too() -> None:
    assert version("cachetools") == "8.0.1"
    report = check(Threads(PLAIN).program)
    assert report.complete
    said = [finding.why for finding in report.findings if finding.kind.name == "CRASH"]
    assert [why.partition("it raised: ")[2] for why in said] == [
        "RuntimeError: OrderedDict mutated during iteration",
        "KeyError: 'a'",
    ]


def test_on_cpython_3_11_both_can_crash_for_there_is_a_call_in_between() -> None:
    report = check(Threads(PLAIN, granularity="cpython-3.11").program)
    assert report.complete
    said = [finding.why.partition("it raised: ")[2] for finding in report.findings]
    assert sorted(said) == ["KeyError: 'a'", "RuntimeError: OrderedDict mutated during iteration"]


def test_real_threads_crash_in_the_same_way_each_time() -> None:
    threads = Threads(PLAIN)
    walked = walk_plain(threads, replay(threads.program, "reader writer*16 reader"), times=50)
    assert walked.differences == ()
    assert dict(walked.forced.ends)["reader"].message == "KeyError: 'a'"


def test_real_threads_agree_in_every_interleaving() -> None:
    threads = Threads(PLAIN)
    with PlainForcing(threads) as forcing:
        differences = [forcing.force(run)[1] for run in explore(threads.program, scheduler="naive")]
    assert differences == [None] * 364
