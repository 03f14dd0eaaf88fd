"""What `sys.getrefcount` says of an object that two names stand for, on real Pythons, and why.

Counts and the bytecode that they come of are asked of the interpreter each time. It knows nothing of the model.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from simulator.errors import UsageError
from simulator.real.interpreters import Interpreter, find

__all__ = ["Counted", "counted", "demonstration"]

LIMIT_SECONDS = 30.0
_MARK = "refcounts: "

# Read by every Python from 3.8 on. The same lines run as a module and as a function: what a name is differs, and with it the
# instruction that loads it as the argument.
_ASKED = f"""
import dis, json, sys
LINES = '''
first = []
second = first
two = sys.getrefcount(first)
del second
one = sys.getrefcount(first)
'''
module = compile(LINES, 'module', 'exec')
names = {{'sys': sys}}
exec(module, names)
scope = {{'sys': sys}}
exec('def function():' + LINES.replace(chr(10), chr(10) + '    ') + 'return two, one', scope)
def loads(code):
    'The instruction before the first call.'
    before = None
    for instruction in dis.get_instructions(code):
        if instruction.opname.startswith('CALL'):
            return before
        if 'first' in str(instruction.argval) and instruction.opname.startswith('LOAD'):
            before = instruction.opname
print({_MARK!r} + json.dumps({{
    'module': [names['two'], names['one'], loads(module)],
    'function': [*scope['function'](), loads(scope['function'].__code__)],
}}))
"""


@dataclass(frozen=True)
class Counted:
    """What `sys.getrefcount` said of an object with two names, and with one; `load` is the instruction that passed it.

    >>> Counted("a module", 3, 2, "LOAD_NAME").of_the_call
    1
    """

    where: str
    two_names: int
    one_name: int
    load: str

    @property
    def of_the_call(self) -> int | None:
        """References that the call itself made; None where both counts do not say the same."""
        found = {self.two_names - 2, self.one_name - 1}
        return found.pop() if len(found) == 1 else None

    @property
    def why(self) -> str:
        """What adds up to these counts, in a sentence."""
        match self.of_the_call:
            case 1:
                return f"the names, and one more: {self.load} counts the reference that it passes to the call"
            case 0:
                return f"the names alone: {self.load} lends the call the reference that the local variable has"
            case _:
                return f"not the names and what {self.load} adds: this interpreter counts otherwise"


def counted(interpreter: Interpreter) -> tuple[Counted, ...]:
    """The counts of one interpreter: in a module, and in a function. Raises UsageError when it does not say."""
    if interpreter.implementation != "CPython":
        raise UsageError(f"{interpreter}: only CPython counts references")
    try:
        done = subprocess.run(
            [interpreter.executable, "-I", "-c", _ASKED],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UsageError(f"{interpreter}: did not count within {LIMIT_SECONDS:g} s") from None
    for line in done.stdout.decode(errors="replace").splitlines():
        if line.startswith(_MARK):
            said: dict[str, Any] = json.loads(line.removeprefix(_MARK))
            return tuple(Counted(f"a {where}", *said[where]) for where in ("module", "function"))
    last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
    raise UsageError(f"{interpreter}: could not count: {' '.join(last)[:200] or f'exit code {done.returncode}'}")


def demonstration(pythons: Sequence[str]) -> str:
    """The counts as text, on the interpreter that runs this or on others. Raises UsageError for one that cannot be used."""
    asked = [find(name) for name in pythons] or [Interpreter.current()]
    return "\n\n".join(_told(interpreter) for interpreter in asked)


def _told(interpreter: Interpreter) -> str:
    lines = [f"{interpreter}: a list bound to two names, then to one"]
    for one in counted(interpreter):
        lines.append(f"  in {one.where}: sys.getrefcount says {one.two_names}, then {one.one_name}")
        lines.append(f"    {one.why}")
    return "\n".join(lines)
