"""What a claim is, and what speaks for or against it. Values; how they are found out is said elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from simulator.real.interpreters import Interpreter

__all__ = ["Asked", "Claim", "Evidence", "Verdict"]


class Verdict(StrEnum):
    """What is to be made of a claim."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    DEPENDS = "it depends"
    OPEN = "inconclusive"


@dataclass(frozen=True, slots=True)
class Asked:
    """How much is to be done on real threads: `real` at all, how many natural `runs`, on which interpreter."""

    real: bool = True
    runs: int = 10
    interpreter: Interpreter = field(default_factory=Interpreter.current)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found out about a claim: in the model, on this machine (empty where nothing was asked of it)."""

    verdict: Verdict
    model: tuple[str, ...]
    machine: tuple[str, ...] = ()
    why: str = ""
    """What the verdict depends on, where it does; or what is wrong with the claim."""
    short: str = ""
    """The evidence in a few words; empty where the first line of it will do."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that the article says, how it is put to the test, and the commands that dig deeper."""

    name: str
    says: str
    test: Callable[[Asked], Evidence]
    commands: tuple[str, ...]
    known_wrong: bool = False
    """Whether it is known that the article is mistaken here."""

    def to_dict(self, evidence: Evidence) -> dict[str, Any]:
        """The claim with its evidence, in plain types."""
        return {
            "claim": self.name,
            "says": self.says,
            "verdict": str(evidence.verdict),
            "why": evidence.why or None,
            "model": list(evidence.model),
            "machine": list(evidence.machine),
            "commands": list(self.commands),
        }
