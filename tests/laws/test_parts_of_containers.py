"""A dict that is also looked at as a whole loses the same updates, item by item, as one that is not."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import Plain, check
from simulator.analysis.finding import Kind
from simulator.source.threads import Threads

HEAD = """
import threading

class Table:
    def __init__(self):
        self.held = {"a": 1}
        self.size = 0
        self.lock = threading.Lock()

def whole(table):
    table.size = len(table.held)

"""
LINES = [
    "table.held[{key}] = table.held.get({key}, 0) + 1",
    "table.held[{key}] = 7",
    "table.held.update({{{key}: table.held.get({key}, 0) + 1}})",
    "table.held.pop({key}, None)",
    "table.held.setdefault({key}, 3)",
    "if {key} not in table.held: table.held[{key}] = 5",
    "seen = table.held.get({key})",
    "with table.lock: table.held[{key}] = table.held.get({key}, 0) + 1",
]
lines = st.builds(lambda line, key: line.format(key=key), st.sampled_from(LINES), st.sampled_from(["'a'", "'b'"]))
bodies = st.lists(lines, min_size=1, max_size=3)
NUMBER = count()


def module_of(workers: list[list[str]], folder: str) -> Any:
    file = Path(folder) / f"table{next(NUMBER)}.py"
    functions = [
        f"def worker{number}(table):\n" + "".join(f"    {line}\n" for line in body)
        for number, body in enumerate(workers)
    ]
    file.write_text(HEAD + "\n".join(functions))
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    return module


def lost(module: Any, *, is_whole: bool, scheduler: str | None = None) -> set[str]:
    """What loses updates, among the items."""
    names = ("worker0", "worker1")
    extra = {"looks": module.whole} if is_whole else {}
    plain = Plain(
        module.Table,
        lambda table: {
            name: partial(each, table)
            for name, each in {**{name: getattr(module, name) for name in names}, **extra}.items()
        },
    )
    report = check(Threads(plain).program, kinds=[Kind.LOST_UPDATE], counted=False, scheduler=scheduler)
    assert report.complete
    return {str(name) for finding in report.findings for name in finding.objects}


@given(bodies, bodies)
def test_a_look_at_the_whole_hides_no_lost_update(one: list[str], other: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        module = module_of([one, other], folder)
        assert lost(module, is_whole=True) == lost(module, is_whole=False)


@given(bodies, bodies)
def test_one_run_of_each_trace_sees_what_all_states_show(one: list[str], other: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        module = module_of([one, other], folder)
        assert lost(module, is_whole=True, scheduler="dpor") == lost(module, is_whole=True, scheduler="graph")


COUNTING = [["table.held['a'] = table.held['a'] + 1"]] * 2


@pytest.mark.parametrize("scheduler", ["reduced", "layered"])
def test_a_search_that_cannot_tell_says_that_it_is_not_decided(scheduler: str, tmp_path: Path) -> None:
    module = module_of(COUNTING, str(tmp_path))
    plain = Plain(
        module.Table,
        lambda table: {
            "one": partial(module.worker0, table),
            "two": partial(module.worker1, table),
            "looks": partial(module.whole, table),
        },
    )
    report = check(Threads(plain).program, kinds=[Kind.LOST_UPDATE], counted=False, scheduler=scheduler)
    assert not report.complete
    assert report.undecided == ("lost update on table.held['a']",)
