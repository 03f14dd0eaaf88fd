"""The few numbers that predictions are made of: what a unit of work, a start and a request cost on some machine.

`calibrate` takes them from a real one. The default ones are round figures of no machine in particular, so that what the
model says can be shown and checked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

from scenarios.gil.tasks import SWITCH_INTERVAL
from simulator.errors import UsageError

__all__ = ["Costs", "load_costs"]

_FORM = "simulator gil costs 1"


@dataclass(frozen=True, slots=True)
class Costs:
    """What things cost, in microseconds, if not said otherwise.

    A process costs its parent `…_start`, and itself `…_boot` before (and after) its work, on a core of its own.
    Raises UsageError for numbers that cannot be.
    """

    work: int = 100_000
    """One unit of CPU-bound work, alone."""
    request: int = 50_000
    """One request, from asking to the answer, alone: blocked but for `request_cpu`."""
    request_cpu: int = 500
    """How much of that the asking thread computes."""
    thread_start: int = 100
    fork_start: int = 1_000
    fork_boot: int = 2_000
    spawn_start: int = 2_000
    spawn_boot: int = 60_000
    cores: int = 2
    """How many cores the operating system lets us use."""
    capacity: Fraction = Fraction(2)
    """How much of them is there when all are busy, in cores: less where somebody else uses them too."""
    gil: bool = True
    switch_interval: int = SWITCH_INTERVAL
    python: str = ""
    """Which Python this was measured on; empty for round figures of none."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool | str):
                continue
            if not value > 0:
                raise UsageError(f"{field.name} is {value}, expected a number above 0")
        if self.request_cpu >= self.request:
            raise UsageError(f"request_cpu is {self.request_cpu}, expected less than the request's {self.request}")
        if self.capacity < 1:
            raise UsageError(
                f"capacity is {float(self.capacity):g}, expected at least 1 core, for whoever works has that"
            )
        if self.capacity > self.cores:
            raise UsageError(f"capacity is {float(self.capacity):g}, expected up to the {self.cores} cores")

    def to_dict(self) -> dict[str, Any]:
        """The costs in plain types, as they are saved."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {"form": _FORM, **values, "capacity": str(self.capacity)}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Costs:
        """From what `to_dict` gave. Raises UsageError when that is not what this is.

        >>> Costs.from_dict(Costs().to_dict()) == Costs()
        True
        """
        values = dict(saved)
        if values.pop("form", None) != _FORM:
            raise UsageError(f"these are no saved costs: expected a 'form' of {_FORM!r}")
        wrong = set(values) ^ {field.name for field in fields(cls)}
        if wrong:
            raise UsageError(f"these are no saved costs: {', '.join(sorted(wrong))} is missing or unknown")
        for field in fields(cls):
            value = values[field.name]
            kind = {"python": str, "capacity": str, "gil": bool}.get(field.name, int)
            if type(value) is not kind:
                raise UsageError(f"these are no saved costs: {field.name} is {value!r:.40}")
        try:
            values["capacity"] = Fraction(values["capacity"])
        except (ValueError, ZeroDivisionError):
            raise UsageError(f"these are no saved costs: capacity is {values['capacity']!r:.40}") from None
        return cls(**values)


def load_costs(path: str) -> Costs:
    """The costs that were saved in a file. Raises UsageError when it cannot be read or holds something else."""
    try:
        saved = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path!r}: {error.strerror or error}") from None
    except ValueError:
        raise UsageError(f"{path}: this is not JSON; 'simulator gil calibrate -o FILE' writes such a file") from None
    if not isinstance(saved, dict):
        raise UsageError(f"{path}: these are no saved costs")
    try:
        return Costs.from_dict(saved)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
