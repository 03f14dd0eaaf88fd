"""What a thing is to a thread that comes across it: shared or its own, Python or C, a container or not.

Questions and small values only; nothing here touches memory. Asking is left to functions like these because the frames of a
walker's generators may not ask for identity (`walk.py`).
"""

from __future__ import annotations

import collections
import enum
import functools
import sys
import threading
import types
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

from simulator.source.shared import ABSENT, FIXED, Bound, Inner, Ref

__all__ = [
    "Me",
    "Said",
    "Stopped",
    "Super",
    "View",
    "bound",
    "has_default_text",
    "has_own_comparison",
    "is_absent",
    "is_container",
    "is_data_descriptor",
    "is_descriptor",
    "is_fixed",
    "is_hashable",
    "is_of_named_tuple",
    "is_of_python",
    "is_one_of",
    "is_ours",
    "is_private_object",
    "is_same",
    "is_shared",
    "is_slot",
    "may_be_compared",
    "name_of",
    "of_class",
    "python_type",
    "say",
    "special",
    "type_name",
    "type_of",
]

_FOLLOWED_KINDS = ("list", "dict", "set", "deque", "bytearray")
_VALUES = {"fractions", "decimal", "datetime", "pathlib", "enum", "re", "collections", "builtins", "simulator", "types"}
"""Modules whose classes stand for values, or are C code: their methods are run, not followed."""
_COMPARISONS = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")
_HEAP = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made when the program runs, by a class statement for instance


class View(NamedTuple):
    """`keys()`, `values()` or `items()` of a shared dict."""

    ref: Ref
    which: str


class Super(NamedTuple):
    """`super()`."""

    after: type
    owner: Any


class Stopped(Exception):
    """`StopIteration` on its way through rewritten code, which is generators: Python would make a RuntimeError of it there."""

    @property
    def value(self) -> Any:
        """What a generator returned."""
        return self.args[0] if self.args else None


Stopped.__name__ = Stopped.__qualname__ = "StopIteration"


class Said:
    """Stands in a container for a thing whose text is known already, while Python writes the container."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


class Me:
    """`threading.current_thread()`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ident = self.native_id = sum(ord(letter) << (8 * place) for place, letter in enumerate(name[:6]))
        self.daemon = False

    def future_state(self) -> tuple[object, ...]:
        """For merging: the name says it all."""
        return (self.name,)


def type_of(thing: Any) -> Any:
    """The class of a thing, shared or not."""
    return thing.type if isinstance(thing, Ref) else type(thing)


def python_type(thing: Any) -> Any:
    """The class that Python's own object has, for which a thing of ours stands."""
    if isinstance(thing, Ref):
        return thing.type
    if isinstance(thing, Inner):
        return FunctionType
    if isinstance(thing, Bound):
        return BuiltinFunctionType if isinstance(thing.function, str) else MethodType
    if isinstance(thing, View):
        held: Any = collections.OrderedDict() if issubclass(thing.ref.type, collections.OrderedDict) else {}
        return type(getattr(held, thing.which)())
    return {Stopped: StopIteration, Super: super, Me: threading.Thread}.get(type(thing), type(thing))


def special(thing: Any, name: str) -> Any:
    """A method that Python looks up on the class; None where there is none."""
    return of_class(type_of(thing), name)


def of_class(kind: Any, name: str, default: Any = None) -> Any:
    """What a class and its bases have by a name, as it stands there. What its metaclass has is no business of instances."""
    for base in kind.__mro__:
        if name in vars(base):
            return vars(base)[name]
    return default


def is_shared(thing: Any) -> bool:
    """Whether Python itself may not look into a thing."""
    return isinstance(thing, Ref | View | Bound | Inner | Super) or (
        isinstance(thing, tuple) and any(map(is_shared, thing))
    )


def is_container(thing: Any) -> bool:
    """Whether a thing is a shared builtin container, or a view of one."""
    return isinstance(thing, View) or (isinstance(thing, Ref) and thing.kind in _FOLLOWED_KINDS)


def is_ours(thing: Any) -> bool:
    """Whether an operator may mean more than Python would make of it here."""
    return isinstance(thing, Ref | View | Bound) or is_private_object(thing)


def is_private_object(thing: Any) -> bool:
    """Whether a thing is an instance of a Python class that only this thread knows."""
    return is_of_python(type(thing)) and not isinstance(thing, BaseException | enum.Enum)


def has_own_comparison(thing: Any) -> bool:
    """Whether Python code says how a thing that only this thread knows is compared."""
    return is_private_object(thing) and any(isinstance(special(thing, name), FunctionType) for name in _COMPARISONS)


def has_default_text(thing: Any) -> bool:
    """Whether the text of a thing says its class and where in memory it is."""
    return bool(special(thing, "__repr__") == object.__repr__ and special(thing, "__str__") == object.__str__)


def is_of_named_tuple(function: Any, arguments: tuple[Any, ...]) -> bool:
    """Whether a function is a method that `namedtuple` wrote, called on a named tuple or its class."""
    if not arguments or not isinstance(function, FunctionType):
        return False
    kind = arguments[0] if isinstance(arguments[0], type) else type(arguments[0])
    is_named = issubclass(kind, tuple) and hasattr(kind, "_fields")
    # Its `__new__` is made of a text, the others stand in the library.
    file = function.__code__.co_filename
    return is_named and (
        file == collections.__file__ or (file.startswith("<string") and function.__name__ == "__new__")
    )


def is_of_python(kind: Any) -> bool:
    """Whether a class was written in Python, and is neither one of ours nor one that stands for values."""
    return _is_of_python(kind)


@functools.cache
def _is_of_python(kind: Any) -> bool:
    if not kind.__flags__ & _HEAP:
        return False
    top = kind.__module__.partition(".")[0]
    if top == "simulator":
        return not kind.__module__.startswith("simulator.source")
    if top not in sys.stdlib_module_names or top == "__main__":
        return True
    return top not in _VALUES and any(isinstance(each, FunctionType) for each in vars(kind).values())


def is_fixed(thing: Any) -> bool:
    """Whether a thing cannot change, so that threads share it as it is."""
    return isinstance(thing, FIXED) or thing is ABSENT or isinstance(thing, Bound)


def is_absent(value: Any) -> bool:
    """Whether there is no value."""
    return value is ABSENT


def is_same(one: Any, other: Any) -> bool:
    """`one is other`."""
    return one is other


def is_hashable(thing: Any) -> bool:
    """Whether a thing can be looked up in a table."""
    try:
        hash(thing)
    except TypeError:
        return False
    return True


def is_one_of(thing: Any, things: tuple[Any, ...]) -> bool:
    """Whether a thing is the same as one of these."""
    return any(thing is each for each in things)


def may_be_compared(thing: Any) -> bool:
    """Whether C code may compare and hash a thing: a shared one has to be known by its identity alone."""
    if isinstance(thing, tuple):
        return all(map(may_be_compared, thing))
    if not isinstance(thing, Ref):
        return not isinstance(thing, View | Inner | Super)
    return not isinstance(special(thing, "__eq__"), FunctionType) and thing.kind not in _FOLLOWED_KINDS


def bound(function: FunctionType, owner: Any) -> Any:
    """A method of a thing, not yet called."""
    return Bound(function, owner) if isinstance(owner, Ref | type) else MethodType(function, owner)


def name_of(function: Any) -> str:
    """What an error calls a function."""
    name = getattr(function, "__qualname__", None) or type(function).__name__
    owner = getattr(function, "__self__", None)
    if isinstance(owner, ModuleType) and owner.__name__ != "builtins":
        return f"{owner.__name__}.{name}"
    module = getattr(function, "__module__", None)
    return f"{module}.{name}" if module and module != "builtins" and owner is None else name


def type_name(thing: Any) -> str:
    """The name of a thing's class."""
    return str(type_of(thing).__name__)


def say(thing: Any) -> str:
    """What an error calls a thing."""
    if isinstance(thing, Inner):
        return "a function"
    name = type(thing).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def is_descriptor(attribute: Any) -> bool:
    """Whether a class's attribute decides by itself what an instance gets."""
    return hasattr(type(attribute), "__get__") and not isinstance(attribute, type | BuiltinFunctionType)


def is_data_descriptor(attribute: Any) -> bool:
    """Whether a class's attribute written in Python goes before what the instance holds by the same name."""
    kind = type(attribute)
    return is_of_python(kind) and (hasattr(kind, "__set__") or hasattr(kind, "__delete__"))


def is_slot(attribute: Any) -> bool:
    """Whether it is a slot, or an attribute that C code keeps."""
    return isinstance(attribute, types.MemberDescriptorType)
