"""Ways of breaking optimal DPOR and the independence of steps, each a text in a file and what is put in its place.

A text has to be there exactly once, or the mutation is no longer one: `test_mutations` holds that.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["MUTATIONS", "Mutation"]


@dataclass(frozen=True, slots=True)
class Mutation:
    """What is broken, in words; in which file; the text, and its replacement."""

    name: str
    file: str
    text: str
    instead: str

    def applied(self, root: Path) -> str:
        """The file's source with the mutation. Raises ValueError when its text is not there once."""
        source = (root / self.file).read_text(encoding="utf-8")
        times = source.count(self.text)
        if times != 1:
            raise ValueError(f"{self.name}: the text {self.text!r} is {times} times in {self.file}, expected once")
        return source.replace(self.text, self.instead)


OPS = "simulator/ops.py"
DPOR = "simulator/search/dpor.py"
TRACES = "simulator/traces.py"
_WRITES = "(first.access == Access.WRITE or second.access == Access.WRITE)"

MUTATIONS = (
    # The independence relation.
    Mutation("two writes are independent", OPS, _WRITES, "first.access != second.access"),
    Mutation("a read and a write are independent", OPS, _WRITES, "first.access == second.access == Access.WRITE"),
    Mutation("steps on different things are dependent", OPS, "        and first.name == second.name\n", ""),
    Mutation(
        "a failed swap writes",
        OPS,
        "Footprint(Access.WRITE if answer else Access.READ, on_lock=False, name=location, atomic=True)",
        "Footprint(Access.WRITE, on_lock=False, name=location, atomic=True)",
    ),
    Mutation(
        "a swap that succeeds only reads",
        OPS,
        "Footprint(Access.WRITE if answer else Access.READ, on_lock=False, name=location, atomic=True)",
        "Footprint(Access.READ, on_lock=False, name=location, atomic=True)",
    ),
    Mutation(
        "a failed try of a lock writes",
        OPS,
        "Footprint(Access.WRITE if answer else Access.READ, on_lock=True, name=lock, atomic=True)",
        "Footprint(Access.WRITE, on_lock=True, name=lock, atomic=True)",
    ),
    Mutation(
        "a try of a lock that succeeds only reads",
        OPS,
        "Footprint(Access.WRITE if answer else Access.READ, on_lock=True, name=lock, atomic=True)",
        "Footprint(Access.READ, on_lock=True, name=lock, atomic=True)",
    ),
    Mutation(
        "an update that raises writes",
        "simulator/trace.py",
        "touched = touched._replace(access=Access.READ)",
        "pass",
    ),
    Mutation(
        "to DPOR, reads depend on each other",
        DPOR,
        "            writes=touched.access == Access.WRITE,",
        "            writes=touched.access != Access.NONE,",
    ),
    # Races.
    Mutation(
        "a write races with the first of the reads before it only",
        DPOR,
        "                            for one in direct\n                            if not earlier >> one & 1",
        "                            for one in direct[:1]\n                            if not earlier >> one & 1",
    ),
    Mutation(
        "steps that are ordered by others race",
        DPOR,
        "if not earlier >> direct[0] & 1:",
        "if True:",
    ),
    Mutation(
        "an acquire races with the release before it",
        DPOR,
        "                    if blocking:\n",
        "                    if False:\n",
    ),
    Mutation(
        "a blocked acquire races with nothing",
        DPOR,
        "races = sorted([*walk.open, *blocked])",
        "races = sorted(walk.open)",
    ),
    Mutation(
        "a blocked acquire races with what it has to come after, too",
        DPOR,
        "if took >= 0 and not (previous >= 0 and walk.before[previous] >> took & 1):",
        "if took >= 0:",
    ),
    Mutation(
        "the second step of a race is taken to do the same where the first was",
        DPOR,
        "elif touches[events[second]].wavers:",
        "elif False:",
    ),
    # The sequence that is inserted.
    Mutation(
        "the inserted sequence ends at the race's second step",
        DPOR,
        "others = (whole >> first + 1 << first + 1) & ~after[first]",
        "others = (whole >> first + 1 << first + 1) & ~after[first] & (1 << second) - 1",
    ),
    Mutation(
        "what comes after a step is what comes after its first effect",
        DPOR,
        "after[cause] |= these",
        "after[cause] = these",
    ),
    Mutation(
        "the inserted sequence is its last step",
        DPOR,
        "settled = self._insert(walk, walk.wakeups[first], others, later, second)",
        "settled = self._insert(walk, walk.wakeups[first], 0, later, second)",
    ),
    # The wakeup tree.
    Mutation(
        "nothing is inserted beside a branch",
        DPOR,
        "        steps_of, accesses, writes_to = walk.steps_of, walk.accesses, walk.writes\n"
        "        mover, thing, writes = last\n",
        "        return -1\n",
    ),
    Mutation(
        "nothing is inserted where the sequence parts from a branch",
        DPOR,
        "                    siblings.append(_Branch(walk.spelt(rest, left), 0, []))\n"
        "                    return (told_by | rest).bit_length() - 1 if sure else -1\n            else:",
        "                    return (told_by | rest).bit_length() - 1 if sure else -1\n            else:",
    ),
    Mutation(
        "where the sequence parts from a branch, only its next step is inserted",
        DPOR,
        "                    siblings.append(_Branch(walk.spelt(rest, left), 0, []))\n"
        "                    return (told_by | rest).bit_length() - 1 if sure else -1\n            else:",
        "                    siblings.append(_Branch(walk.spelt(rest, left)[:1], 0, []))\n"
        "                    return (told_by | rest).bit_length() - 1 if sure else -1\n            else:",
    ),
    Mutation(
        "a branch that goes on is a leaf",
        DPOR,
        "                    if not branch.after:\n                        return",
        "                    if True:\n                        return",
    ),
    Mutation(
        "what branches off after the place of a parting is lost",
        DPOR,
        "siblings = [_Branch(branch.steps, place, branch.after)]",
        "siblings = [_Branch(branch.steps, place, [])]",
    ),
    Mutation(
        "a step of the sequence can always come first",
        DPOR,
        "                        conflicts &= own - 1\n",
        "                        conflicts = 0\n",
    ),
    Mutation(
        "the last step of a sequence depends on no step of a branch",
        DPOR,
        "                        if left is not None and its == thing and its >= 0 and (writes or its_writes):\n"
        "                            break\n",
        "",
    ),
    # Sleep sets.
    Mutation(
        "who sleeps is never woken",
        DPOR,
        "if step[1] != thing or not (writes or step[2])])",
        "])",
    ),
    Mutation(
        "every step wakes all who sleep",
        DPOR,
        "if step[1] != thing or not (writes or step[2])])",
        "if False])",
    ),
    Mutation(
        "a step that was taken does not sleep",
        DPOR,
        "sleeps[depth] = (*sleeps[depth], step)",
        "sleeps[depth] = sleeps[depth]",
    ),
    Mutation(
        "nobody asks who sleeps where a race is reversed",
        DPOR,
        "for thread, its, its_writes in sleeps[first]:",
        "for thread, its, its_writes in ():",
    ),
    Mutation(
        "a sleeping thread that the sequence does not move is not asked",
        DPOR,
        "                    if its != thing or not (writes or its_writes):\n                        break\n",
        "",
    ),
    Mutation(
        "a sleeping thread that the sequence moves is taken for its first step",
        DPOR,
        "                    if not conflicts & (own - 1):\n",
        "                    if True:\n",
    ),
    # Races that are not asked again.
    Mutation(
        "each race is asked once",
        DPOR,
        "            if settled >= 0 and second < depth:\n",
        "            if second < depth:\n",
    ),
    Mutation(
        "a settled race is never opened again",
        DPOR,
        "                        still_open[race] = None\n                    settled[depth] = []",
        "                        pass\n                    settled[depth] = []",
    ),
    Mutation(
        "an answer that hung on a missing step is taken to stay",
        DPOR,
        "                        sure = False\n",
        "                        sure = True\n",
    ),
    Mutation(
        "an insertion is taken to hang on the race's second step alone",
        DPOR,
        "            if settled >= 0 and second < depth:\n",
        "            settled = second if settled >= 0 else settled\n            if settled >= 0 and second < depth:\n",
    ),
    Mutation(
        "a sleeping thread's step is taken to stand as long as the race",
        DPOR,
        "settled = max(second, own.bit_length() - 1)",
        "settled = second",
    ),
    # Sleep sets elsewhere.
    Mutation(
        "to the count of traces, who sleeps is never woken",
        TRACES,
        "after = sleep & ~(touching if step.writes else writing).get(slot.bit, 0)",
        "after = sleep",
    ),
    Mutation(
        "to the count of traces, every step wakes all who sleep",
        TRACES,
        "after = sleep & ~(touching if step.writes else writing).get(slot.bit, 0)",
        "after = 0",
    ),
    Mutation(
        "to the count of traces, reads wake who reads",
        TRACES,
        "(touching if step.writes else writing)",
        "(touching)",
    ),
)
