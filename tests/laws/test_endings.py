"""Law: what is known of how deadlocks end takes nothing from the search for their shortest schedules.

Each complete search collects it on its own way through the program; without it every step is taken.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.analysis.finding import Kind
from simulator.explore import check
from simulator.program import Program
from simulator.schedulers import Scheduler
from simulator.search.endings import Endings
from tests.conftest import PROFILE
from tests.laws.crowds import crowds
from tests.laws.programs import Small, any_programs, lock_programs, tangled_programs

deadlocking = st.one_of(crowds(), any_programs, lock_programs, tangled_programs())


def witnesses(program: Program, scheduler: Scheduler) -> list[tuple[str, str, bool]]:
    return [
        (found.title, str(found.witness), found.shortest)
        for found in check(program, scheduler=scheduler).findings
        if found.kind in (Kind.DEADLOCK, Kind.LOCK_ORDER_CYCLE)
    ]


@settings(max_examples=3000 if PROFILE == "thorough" else 150)
@given(deadlocking)
def test_schedules_to_deadlocks_are_as_short_as_without_endings(small: Small) -> None:
    program = small.program()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Endings, "__contains__", lambda self, sighting: False)
        plain = witnesses(program, Scheduler.GRAPH)
    for scheduler in (Scheduler.GRAPH, Scheduler.REDUCED, Scheduler.DPOR, Scheduler.LAYERED):
        assert witnesses(program, scheduler) == plain, scheduler
