"""A thread's watched instructions as they come: something of ours is called just before each of them.

Up to CPython 3.11 that is `sys.settrace` with `f_trace_opcodes`, set by each thread for itself; from 3.12 on
`sys.monitoring`'s INSTRUCTION events, asked for on the watched code objects alone (there, tracing by opcode loses
events). Both are hidden behind `Hooks`, which knows nothing of what is done with them. What is called may wait as long
as it likes and may raise: the exception comes out of the instruction, which is then not executed. On 3.11 that ends
the thread's tracing, as Python has it; from 3.12 on the next watched instruction calls again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from threading import get_ident
from types import CodeType, FrameType
from typing import Any, Generic, TypeVar

from simulator.errors import UsageError

__all__ = ["Hooks"]

T = TypeVar("T")

if sys.version_info >= (3, 12):
    from sys import monitoring

    TOOLS = (4, 3)
    """The tool ids that Python reserves for nobody; a debugger, coverage and a profiler have others."""

    class Hooks(Generic[T]):
        """While entered: calls what each following thread gave, with what `places` says of the code and the offset.

        `places` has for each code object that matters the offsets that matter, each with anything that is to be handed
        over. Threads that do not follow pass by. Raises UsageError on entering when other tools leave no room.

        >>> def double(number):
        ...     return number + number
        >>> came = []
        >>> with Hooks({double.__code__: {2: "at the start"}}) as hooks:
        ...     hooks.follow(came.append)
        ...     _ = double(double(1))
        ...     hooks.leave()
        >>> came
        ['at the start', 'at the start']
        """

        def __init__(self, places: Mapping[CodeType, Mapping[int, T]]) -> None:
            self._codes = tuple(places)
            # By identity: a code object's own hash looks at all of it, every time.
            self._places = {id(code): dict(offsets) for code, offsets in places.items()}
            self._followers: dict[int, Callable[[T], None]] = {}
            self._tool = -1

        def __enter__(self) -> Hooks[T]:
            self._tool = _free_tool()
            monitoring.use_tool_id(self._tool, "simulator")
            monitoring.register_callback(self._tool, monitoring.events.INSTRUCTION, self._at)
            for code in self._codes:
                monitoring.set_local_events(self._tool, code, monitoring.events.INSTRUCTION)
            # What another tool of this id has switched off stays off until this is said.
            monitoring.restart_events()
            return self

        def __exit__(self, *_: object) -> None:
            for code in self._codes:
                monitoring.set_local_events(self._tool, code, 0)
            monitoring.register_callback(self._tool, monitoring.events.INSTRUCTION, None)
            monitoring.free_tool_id(self._tool)

        def follow(self, arrive: Callable[[T], None]) -> None:
            """From here on the calling thread's watched instructions call `arrive`."""
            self._followers[get_ident()] = arrive

        def leave(self) -> None:
            """The calling thread follows no longer."""
            self._followers.pop(get_ident(), None)

        def _at(self, code: CodeType, offset: int) -> object:
            place = self._places[id(code)].get(offset)
            if place is None:
                return monitoring.DISABLE
            arrive = self._followers.get(get_ident())
            if arrive is not None:
                arrive(place)
            return None

    def _free_tool() -> int:
        for tool in TOOLS:
            if monitoring.get_tool(tool) is None:
                return tool
        taken = " and ".join(str(monitoring.get_tool(tool)) for tool in TOOLS)
        raise UsageError(
            f"sys.monitoring has no tool id free for forced runs: {taken} have {TOOLS[0]} and {TOOLS[1]}; "
            "stop one of them, or run without it"
        )

else:

    class Hooks(Generic[T]):
        """While entered: calls what each following thread gave, with what `places` says of the code and the offset.

        `places` has for each code object that matters the offsets that matter, each with anything that is to be handed
        over. Threads that do not follow pass by. A thread that follows is traced by nobody else until it leaves.

        >>> def double(number):
        ...     return number + number
        >>> came = []
        >>> with Hooks({double.__code__: {2: "at the start"}}) as hooks:
        ...     hooks.follow(came.append)
        ...     _ = double(double(1))
        ...     hooks.leave()
        >>> came
        ['at the start', 'at the start']
        """

        def __init__(self, places: Mapping[CodeType, Mapping[int, T]]) -> None:
            # By identity: a code object's own hash looks at all of it, every time.
            self._places = {id(code): (code, dict(offsets)) for code, offsets in places.items()}
            self._before: dict[int, Any] = {}

        def __enter__(self) -> Hooks[T]:
            return self

        def __exit__(self, *_: object) -> None:
            """Nothing is left to do: each thread has its own tracing, which ends with `leave` or with the thread."""

        def follow(self, arrive: Callable[[T], None]) -> None:
            """From here on the calling thread's watched instructions call `arrive`."""
            places = self._places

            def local_tracer(offsets: dict[int, T]) -> Callable[[FrameType, str, Any], Any]:
                def at(frame: FrameType, event: str, _: object) -> Any:
                    if event == "opcode":
                        place = offsets.get(frame.f_lasti)
                        if place is not None:
                            arrive(place)
                    return at

                return at

            tracers: dict[int, Callable[[FrameType, str, Any], Any]] = {}

            def called(frame: FrameType, _: str, __: object) -> Any:
                known = places.get(id(frame.f_code))
                if known is None:
                    return None
                frame.f_trace_opcodes = True
                frame.f_trace_lines = False
                tracer = tracers.get(id(frame.f_code))
                if tracer is None:
                    tracer = tracers[id(frame.f_code)] = local_tracer(known[1])
                return tracer

            self._before[get_ident()] = sys.gettrace()
            sys.settrace(called)

        def leave(self) -> None:
            """The calling thread follows no longer."""
            sys.settrace(self._before.pop(get_ident(), None))
