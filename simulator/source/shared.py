"""What the threads of plain code share: real objects as references, their attributes and items as memory locations.

`setup()` makes real objects once; nobody runs on them. Each of them that a thread can reach is a `Ref`, with a name that says
how one gets there (`bank.accounts[1]`), and an attribute or item that some thread writes is a location of the program's
memory (`bank.accounts[1].balance`). What no thread ever writes is a constant and no step: that is found out by looking, so
`Shared` grows, and whoever runs a program over it starts again when it has (`changed`).

A container whose items are only got and set one by one is a location for each item. One that is also looked at or changed as
a whole (its length, its order, `append`) is one location, which holds all of it: C code works on it in one go.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import fractions
import functools
import inspect
import itertools
import operator
import pathlib
import re
import threading
import types
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, ClassVar, Final, NamedTuple

from simulator.errors import LimitError, ProgramError, UsageError
from simulator.source.here import here
from simulator.values import stable_repr

__all__ = [
    "ABSENT",
    "CONTAINERS",
    "FIXED",
    "GENERIC",
    "GIL",
    "VALUES",
    "Bound",
    "Frozen",
    "Inner",
    "Item",
    "Place",
    "Ref",
    "Shared",
    "Thrown",
    "attributes",
    "empty",
    "fill",
    "freeze",
    "remade",
    "thaw",
]

LOCK: Final = type(threading.Lock())
RLOCK: Final = type(threading.RLock())
CONTAINERS = (list, dict, set, collections.deque, bytearray)
GENERIC = (types.GenericAlias, type(ClassVar[int]))
"""The types of `list[int]` and of a generic class with arguments."""
FIXED = (
    *GENERIC,
    bool, int, float, complex, str, bytes, type(None), type(...), type(NotImplemented), enum.Enum, type, range, slice,
    FunctionType, BuiltinFunctionType, ModuleType, types.MethodDescriptorType, types.WrapperDescriptorType,
    types.MethodWrapperType, types.GetSetDescriptorType, types.UnionType, decimal.Decimal,
    fractions.Fraction, datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo, pathlib.PurePath, re.Pattern,
    uuid.UUID, operator.attrgetter, operator.itemgetter, operator.methodcaller, type(functools.lru_cache(len)),
)  # fmt: skip
GIL: Final = "GIL"
"""The model's own lock, whose name no lock of the program gets."""
VALUES = (
    int, float, complex, str, bytes, tuple, frozenset, range, slice, decimal.Decimal, fractions.Fraction, datetime.date,
    datetime.time, datetime.timedelta, pathlib.PurePath, uuid.UUID, *GENERIC,
)  # fmt: skip
"""Of which there may be several that are equal."""
MADE = 1_000
"""Objects that all threads together may make and share."""
KEYS = 64
"""Keys that threads may add to a dict and still have a location each; with more of them the dict is one location."""
DEPTH = 100_000
"""How many objects that can be reached from the shared state get a name of their own before any thread runs."""


class _Absent:
    """No value: an attribute that is not there, a key that a dict does not have."""

    def __repr__(self) -> str:
        return "absent"

    def __reduce__(self) -> str:
        return "ABSENT"

    def future_state(self) -> tuple[object, ...]:
        """For merging: there is only one."""
        return ()


ABSENT: Final = _Absent()


class Ref:
    """A shared object, by name. It is itself and holds nothing: what the object holds is in memory.

    Two refs are the same object exactly when they are the same ref. Python must not look into one behind our back, so
    whatever we do not stand in for raises.
    """

    __slots__ = ("kind", "name", "type")

    def __init__(self, name: str, kind: str, type_: Any) -> None:
        self.name = name
        self.kind = kind
        """What it is: "object", "list", "dict", "set", "deque", "bytearray", "lock", "rlock", "cell" or "opaque"."""
        self.type = type_

    def __repr__(self) -> str:
        return self.name

    def future_state(self) -> tuple[object, ...]:
        """For merging: the name says it all."""
        return (self.name,)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if self._may_equal(other):
            self._unseen()
        return False

    def __hash__(self) -> int:
        return object.__hash__(self)

    def _may_equal(self, other: object) -> bool:
        """Whether only a look at what is in both can tell."""
        if isinstance(other, Ref):
            return self._is_compared_by_value() or other._is_compared_by_value()
        if isinstance(inspect.getattr_static(self.type, "__eq__", None), FunctionType):
            return other is not None and not isinstance(other, _Absent | Frozen | type)
        return self._is_compared_by_value() and isinstance(other, (*CONTAINERS, frozenset, bytes))

    def _is_compared_by_value(self) -> bool:
        return self.kind in ("list", "dict", "set", "deque", "bytearray") or isinstance(
            inspect.getattr_static(self.type, "__eq__", None), FunctionType
        )

    def _unseen(self, *_: object) -> Any:
        raise ProgramError(f"{here()}the shared object {self.name} is used by C code, which cannot be followed")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._unseen()

    __bool__ = __len__ = __iter__ = __contains__ = __getitem__ = __index__ = __call__ = _unseen
    __lt__ = __le__ = __gt__ = __ge__ = __add__ = __radd__ = __mul__ = __rmul__ = __format__ = __str__ = _unseen


class Bound(NamedTuple):
    """A method of a shared object, not yet called. `function` is a Python function, or the name of a container's method."""

    function: Any
    owner: Any

    def __repr__(self) -> str:
        owner = self.owner.__name__ if isinstance(self.owner, type) else repr(self.owner)
        return f"{owner}.{self.function if isinstance(self.function, str) else self.function.__name__}"

    def __call__(self, *_: object, **__: object) -> Any:
        raise ProgramError(f"{here()}a method of {self.owner!r} is called by C code, which cannot be followed")


class Inner:
    """A function that was written inside another one (a lambda, say): it exists as rewritten code only."""

    __slots__ = ("function", "name")

    def __init__(
        self,
        function: FunctionType,
        name: str,
        defaults: tuple[Any, ...] = (),
        keywords: Mapping[str, Any] | None = None,
    ) -> None:
        if function.__defaults__ or function.__kwdefaults__:
            # What stands there only says where there are some.
            function = FunctionType(
                function.__code__, function.__globals__, function.__name__, defaults, function.__closure__
            )
            function.__kwdefaults__ = dict(keywords or {})
        self.function: Callable[..., Any] = function
        self.name = name

    def future_state(self) -> tuple[object, ...]:
        """For merging: the function with what it closes over."""
        return (self.function, self.name)

    def __call__(self, *_: object, **__: object) -> Any:
        raise ProgramError(f"{here()}the function {self.name!r} is called by C code, which cannot be followed")

    def like_python(self) -> Callable[..., Any]:
        """A function that takes the same arguments and does nothing: it complains of wrong ones as Python does."""
        _, *parameters = inspect.signature(self.function).parameters.values()
        taken = inspect.Signature(
            [each.replace(default=None) if each.default is not each.empty else each for each in parameters]
        )
        made: FunctionType = eval(f"lambda {str(taken)[1:-1]}: None")
        made.__qualname__ = self.name
        return made


class Item(NamedTuple):
    """How one gets from an object to what it holds: by "attribute", "item", "cell" or "closure"; "all" is everything."""

    how: str
    key: Any


class Place(NamedTuple):
    """Where a location is: an object and the way into it."""

    ref: Ref | type | ModuleType
    item: Item


@dataclass(frozen=True, slots=True)
class Frozen:
    """Everything in a container, as a value. Dicts are pairs in their order."""

    type: Any
    items: tuple[Any, ...]
    extra: tuple[Any, ...] = ()

    def __repr__(self) -> str:
        if issubclass(self.type, dict):
            return "{" + ", ".join(f"{key!r}: {value!r}" for key, value in self.items) + "}"
        inside = ", ".join(map(repr, self.items))
        if self.type is list:
            return f"[{inside}]"
        if self.type is set:
            return f"{{{inside}}}"
        return f"{self.type.__name__}([{inside}])"


@dataclass(frozen=True, slots=True)
class Thrown:
    """An exception that a thread made and shared, as a value: each thread that comes across it has a real one of its own."""

    name: str
    type: Any
    arguments: tuple[Any, ...]
    attributes: tuple[tuple[str, Any], ...] = ()

    def __repr__(self) -> str:
        return f"{self.type.__name__}({', '.join(map(repr, self.arguments))})"

    def made(self, arguments: Iterable[Any], attributes: Iterable[tuple[str, Any]]) -> BaseException:
        """A real one. No method written in Python is called for it."""
        base = next(each for each in self.type.__mro__ if each.__module__ == "builtins")
        made: BaseException = base.__new__(self.type, *arguments)
        base.__init__(made, *arguments)
        made.__dict__.update(attributes)
        return made


def freeze(container: Any) -> Frozen:
    """All of a container as a value. Raises TypeError for items that cannot be hashed."""
    kind = type(container)
    extra: tuple[Any, ...] = ()
    if isinstance(container, dict):
        items: Iterable[Any] = container.items()
        if isinstance(container, collections.defaultdict):
            extra = (container.default_factory,)
    elif isinstance(container, set):
        items = sorted(container, key=lambda item: (type(item).__name__, repr(item)))
    else:
        items = container
        if isinstance(container, collections.deque):
            extra = (container.maxlen,)
    return Frozen(kind, tuple(items), extra)


def thaw(frozen: Frozen) -> Any:
    """A new container with what was frozen. No `__init__` or other method written in Python is called for it."""
    kind = frozen.type
    if issubclass(kind, collections.deque):
        made = kind.__new__(kind)
        collections.deque.__init__(made, frozen.items, *frozen.extra)
        return made
    made = kind.__new__(kind)
    if issubclass(kind, collections.defaultdict):
        made.default_factory = frozen.extra[0]
    fill(made, frozen.items)
    return made


def fill(container: Any, items: Iterable[Any]) -> None:
    """Put items (pairs, for a dict) into an empty container, past all methods written in Python."""
    base = _base(container)
    if isinstance(container, dict):
        for key, value in items:
            base.__setitem__(container, key, value)
    elif isinstance(container, set):
        base.update(container, items)
    else:
        base.extend(container, items)


def empty(container: Any) -> None:
    """Take everything out of a container, past all methods written in Python."""
    _base(container).clear(container)


def _base(container: Any) -> Any:
    """Whose methods work on a container as C code does."""
    kinds = (collections.OrderedDict, *CONTAINERS)
    return next(each for each in kinds if isinstance(container, each))


class Shared:
    """The shared objects of one program, the locations that its threads write, and its locks."""

    def __init__(self, state: object) -> None:
        self.memory: dict[str, Any] = {}
        self.places: dict[str, Place] = {}
        self.locks: dict[str, None] = {}
        self.rlocks: dict[str, None] = {}
        self.looked_at = 0
        """How many states were looked at to find out what is shared, once that is over."""
        self.used: set[str] = set()
        """Those of the locks that some thread takes or gives back."""
        self.changed = False
        """Something new has turned up: whoever runs a program over this begins again."""
        self.reshaped = False
        """A container has become one location: what was said of its items holds no longer."""
        self.state = state
        self._refs: dict[int, Ref] = {}
        self._reals: dict[str, Any] = {}
        self._ways: dict[str, tuple[Any, ...]] = {}
        self._cells: dict[int, tuple[Any, ...]] = {}
        self._whole: set[str] = set()
        self._taken_whole: set[str] = set()
        self._made = 0
        self._class_names: dict[type, str] = {RLOCK: "rlock"}
        self._owners: dict[int, str] = {}
        self._partials: dict[int, tuple[functools.partial[Any], functools.partial[Any]]] = {}
        self._keys: dict[str, dict[Any, str]] = {}
        self._locations: dict[tuple[str | int, Item], str] = {}
        self._names: set[str] = set()
        self._errors: dict[int, tuple[BaseException, tuple[Any, ...]]] = {}
        self.has_thrown = False
        """Some thread has made an exception and shared it."""
        self._constants: dict[str, Any] = {}
        self._name_everything(state, _root_name(state))

    def grows(self, what: str) -> None:
        """Say that there is more than the program knows of. Raises LimitError once it is made, for then it is too late."""
        if self.looked_at:
            raise LimitError(
                f"{here()}only here it turns out {what}, deeper than the {self.looked_at:,} states that are looked at to find "
                "out what threads share: that is a limit of ours; explore fewer threads or fewer turns of their loops"
            )
        self.changed = True

    # -- objects

    def value(self, real: Any, name: str, way: tuple[Any, ...] = ()) -> Any:
        """A real value as threads see it: what cannot change is itself, anything else a Ref. `name` is for a new one."""
        if isinstance(real, FunctionType) and way:
            for number, cell in enumerate(real.__closure__ or ()):
                self._cells.setdefault(id(cell), (*way, Item("closure", number)))
        if isinstance(real, FIXED) or real is ABSENT or isinstance(real, Ref | Inner | Bound):
            return real
        if isinstance(real, tuple):
            items = tuple(
                self.value(each, f"{name}[{number}]", (*way, Item("item", number))) for number, each in enumerate(real)
            )
            if all(mine is each for mine, each in zip(items, real, strict=True)):
                return real
            return remade(real, items)
        if isinstance(real, frozenset):
            return frozenset(self.value(each, f"{name}.item") for each in real)
        if isinstance(real, MethodType):
            return Bound(real.__func__, self.value(real.__self__, f"{name}.self"))
        if type(real) is functools.partial:
            return self._partial(real, name)
        if isinstance(real, BaseException) and self._is_value(real, name):
            self._errors.setdefault(id(real), (real, way))
            return real
        return self._ref(real, name, way)

    def _is_value(self, error: BaseException, name: str) -> bool:
        """Whether all that an exception holds is a value, so that the exception is one."""
        held = (*error.args, *vars(error).values())
        return all(self.value(each, f"{name}.args") is each for each in held)

    def is_error(self, thing: Any) -> bool:
        """Whether a thing is an exception that was there before any thread ran."""
        return id(thing) in self._errors

    def way_to_error(self, error: BaseException) -> tuple[Any, ...]:
        """How one gets to it; empty where there is no way."""
        return self._errors[id(error)][1] if id(error) in self._errors else ()

    def _partial(self, real: functools.partial[Any], name: str) -> functools.partial[Any]:
        """A partial with its parts as threads see them; always the same one."""
        known = self._partials.get(id(real))
        if known is None:
            given = [self.value(each, f"{name}.argument{number}") for number, each in enumerate(real.args, start=1)]
            named = {key: self.value(each, f"{name}.{key}") for key, each in real.keywords.items()}
            made = functools.partial(self.value(real.func, f"{name}.func"), *given, **named)
            known = self._partials[id(real)] = real, made
        return known[1]

    def _ref(self, real: Any, name: str, way: tuple[Any, ...]) -> Ref:
        known = self._refs.get(id(real))
        if known is not None:
            return known
        name = _not_among(name, lambda each: each in self._reals or each == GIL or each in self._owners.values())
        ref = Ref(name, _kind(real), type(real))
        if ref.kind in ("lock", "rlock") and _is_taken(real):
            raise UsageError(
                f"the lock {name} is held before any thread runs: whoever took it has to give it back first"
            )
        self._refs[id(real)] = ref
        self._reals[name] = real
        self._ways[name] = way
        if ref.kind in ("lock", "rlock"):
            (self.locks if ref.kind == "lock" else self.rlocks)[name] = None
        return ref

    def _name_everything(self, state: object, root: str) -> None:
        """The nearest way to each object becomes its name, whatever threads come across first."""
        found = self.value(state, root, (Item("root", "state"),))
        waiting = collections.deque([found] if isinstance(found, Ref) else _refs_in(found))
        seen: set[Ref] = set()
        while waiting and len(seen) < DEPTH:
            ref = waiting.popleft()
            if ref in seen:
                continue
            seen.add(ref)
            for item, _ in self._contents(ref):
                waiting.extend(_refs_in(self.initial(ref, item)))

    def new(self, name: str, kind: str, type_: type) -> Ref:
        """An object that a thread has made and now shares. The same name is the same object."""
        known = self._reals.get(name)
        if isinstance(known, Ref):
            return known
        self._made += 1
        if self._made > MADE:
            raise ProgramError(
                f"threads make and share more than {MADE:,} objects ({name} is the last): do they ever end?"
            )
        ref = Ref(name, kind, type_)
        self._reals[name] = ref
        if kind in ("lock", "rlock"):
            (self.locks if kind == "lock" else self.rlocks)[name] = None
            self.grows(f"that there is a lock {name}")
        elif kind != "object":
            self._whole.add(name)
        return ref

    def class_name(self, type_: type) -> str:
        """What the objects of a class are called: by more than its name where another class has that, too."""
        known = self._class_names.get(type_)
        if known is None:
            taken = set(self._class_names.values())
            full = f"{type_.__module__}.{type_.__qualname__}"
            qualified = type_.__qualname__.replace("<locals>.", "")
            more = (f"{full}#{number}" for number in itertools.count(2))
            names = itertools.chain((type_.__name__, qualified, full), more)
            known = self._class_names[type_] = next(name for name in names if name not in taken)
        return known

    def forget_made(self) -> None:
        """Forget what threads have made: it is about to get other names."""
        made = {name for name, real in self._reals.items() if isinstance(real, Ref)}
        for location in [
            name for name, place in self.places.items() if isinstance(place.ref, Ref) and place.ref.name in made
        ]:
            del self.memory[location], self.places[location]
        self._made = 0
        self._keys.clear()
        for name in made:
            del self._reals[name]
            self._whole.discard(name)
            self.locks.pop(name, None)
            self.rlocks.pop(name, None)

    def real(self, ref: Ref) -> Any:
        """The object that `setup` made; the ref itself for one that a thread has made."""
        return self._reals[ref.name]

    def _contents(self, ref: Ref) -> list[tuple[Item, Any]]:
        """What an object holds at the start."""
        real = self._reals[ref.name]
        if isinstance(real, Ref):
            return []
        if isinstance(real, types.CellType):
            return [(Item("cell", None), real.cell_contents)]
        if isinstance(real, type | ModuleType):
            return []
        found = [(Item("attribute", name), value) for name, value in attributes(real).items()]
        if isinstance(real, dict):
            found += [(Item("item", key), value) for key, value in real.items()]
        elif isinstance(real, list | collections.deque):
            found += [(Item("item", number), value) for number, value in enumerate(real)]
        elif isinstance(real, set):
            found += [(Item("member", number), value) for number, value in enumerate(real)]
        return found

    # -- locations

    def location(self, ref: Ref | type | ModuleType, item: Item) -> str:
        """The name of a location, whether or not anybody writes it. Two locations never share one."""
        asked = (ref.name if isinstance(ref, Ref) else id(ref), item)
        known = self._locations.get(asked)
        if known is None:
            known = self._locations[asked] = _not_among(self._location(ref, item), self._names.__contains__)
            self._names.add(known)
        return known

    def _location(self, ref: Ref | type | ModuleType, item: Item) -> str:
        """What to call a location, if nothing else is called so."""
        name = self.owner_name(ref)
        if item.how == "attribute":
            return f"{name}.{item.key}" if name else str(item.key)
        if item.how == "item":
            return f"{name}[{self._key(name, item.key)}]"
        return f"{name}[:]" if item.how == "all" else name

    def _key(self, owner: str, key: Any) -> str:
        """A key as its location's name says it. Keys that are equal (1 and True) are one, others have a name each."""
        known = self._keys.setdefault(owner, {})
        shown = known.get(key)
        if shown is None:
            shown = stable_repr(key)
            if shown in known.values():
                shown = f"{shown}#{len(known)}"
            known[key] = shown
        return shown

    def initial(self, ref: Ref | type | ModuleType, item: Item) -> Any:
        """What a location holds before any thread runs; ABSENT where there is nothing."""
        if isinstance(ref, type | ModuleType):
            found = vars(ref).get(item.key, ABSENT)
            return self.value(found, self.location(ref, item), (Item("root", ref), item))
        real = self._reals[ref.name]
        if isinstance(real, Ref):
            return ABSENT
        way = (*self._ways[ref.name], item)
        if item.how == "all":
            return self._frozen(ref, real, way)
        if item.how == "attribute":
            found = attributes(real).get(item.key, ABSENT)
        elif item.how == "cell":
            try:
                found = real.cell_contents
            except ValueError:
                found = ABSENT
        elif item.how == "member":
            found = list(real)[item.key]
        elif isinstance(real, dict):
            found = real.get(item.key, ABSENT) if type(real).get is dict.get else dict.get(real, item.key, ABSENT)
        else:
            found = real[item.key] if -len(real) <= item.key < len(real) else ABSENT
        return self.value(found, self.location(ref, item), way)

    def _frozen(self, ref: Ref, real: Any, way: tuple[Any, ...]) -> Frozen:
        def inside(key: object, each: Any) -> Any:
            return self.value(each, f"{ref.name}[{key!r}]", (*way[:-1], Item("item", key)))

        if isinstance(real, dict):
            plain = {self.value(key, f"{ref.name}.key"): inside(key, each) for key, each in real.items()}
            items: tuple[Any, ...] = tuple(plain.items())
        elif isinstance(real, set):
            items = tuple(self.value(each, f"{ref.name}.item") for each in real)
            items = freeze(set(items)).items
        else:
            items = tuple(inside(number, each) for number, each in enumerate(real))
        return Frozen(type(real), items, freeze(real).extra)

    def writes(self, ref: Ref | type | ModuleType, item: Item) -> str:
        """The location, which some thread writes: from now on it is memory."""
        if item.how == "item" and isinstance(ref, Ref) and ref.name in self._taken_whole:
            self.make_whole(ref)
            item = Item("all", None)
        location = self.location(ref, item)
        if location not in self.memory:
            self.grows(f"that {location} is written")
            self.memory[location] = self.initial(ref, item)
            self.places[location] = Place(ref, item)
        return location

    def constant(self, ref: Ref | type | ModuleType, item: Item) -> tuple[bool, Any]:
        """Whether no thread writes a location; if so, what it holds, else its name."""
        location = self.location(ref, item)
        if location in self.memory:
            return False, location
        # What nobody writes is asked for again and again: a loop may wait for it.
        known = self._constants.get(location, self)
        if known is self:
            known = self._constants[location] = self.initial(ref, item)
        return True, known

    def owner_name(self, ref: Ref | type | ModuleType) -> str:
        """What the locations of an object begin with: nothing for the globals of the first module that we meet."""
        if isinstance(ref, Ref):
            return ref.name
        known = self._owners.get(id(ref))
        if known is None:
            known = ref.__name__ if isinstance(ref, type) or "" in self._owners.values() else ""
            taken = {*self._owners.values(), *self._reals}
            if known in taken:
                known = f"{ref.__module__}.{known}" if isinstance(ref, type) else f"module {known}"
            known = self._owners[id(ref)] = _not_among(known, taken.__contains__)
        return known

    def way(self, ref: Ref) -> tuple[Any, ...]:
        """How one gets to an object: from the state, or from a module or class; empty where there is no way."""
        return self._ways.get(ref.name, ())

    def made(self) -> list[Ref]:
        """The objects that threads have made and share."""
        return [real for real in self._reals.values() if isinstance(real, Ref)]

    def number(self, ref: Ref) -> int:
        """Objects in the order in which they were met: what stands for their addresses."""
        return list(self._reals).index(ref.name) + 1

    def refs(self) -> list[Ref]:
        """All shared objects met so far."""
        return list(self._refs.values())

    def uses(self, lock: Ref) -> None:
        """Say that a thread takes a lock, or gives it back: from now on it is a lock of the program."""
        if lock.name not in self.used:
            self.grows(f"that {lock.name} is a lock that threads take")
            self.used.add(lock.name)

    # -- containers

    def is_whole(self, ref: Ref) -> bool:
        """Whether a container is one location, and not one for each item."""
        return ref.name in self._whole or ref.kind not in ("list", "dict")

    def takes_all(self, ref: Ref) -> None:
        """Say that a thread looks at all of a container in one go."""
        self._taken_whole.add(ref.name)
        if any(place.ref is ref and place.item.how == "item" for place in self.places.values()):
            self.make_whole(ref)

    def is_too_fine(self, ref: Ref, key: Any) -> bool:
        """Whether a key is not for a location of its own: threads have made it, or there are already very many."""
        if any(isinstance(self._reals.get(each.name), Ref) for each in _refs_in(key)):
            return True
        known = self._keys.get(ref.name, {})
        return len(known) >= KEYS and key not in known and key not in self._reals[ref.name]

    def make_whole(self, ref: Ref) -> None:
        """Say that a container is one location from now on."""
        if self.is_whole(ref):
            return
        self.grows(f"that {ref.name} is looked at or changed as a whole")
        self._whole.add(ref.name)
        self.reshaped = True
        for location in [name for name, place in self.places.items() if place.ref is ref and place.item.how == "item"]:
            del self.memory[location], self.places[location]

    def cell(self, cell: types.CellType, name: str) -> Ref:
        """A variable of an enclosing function."""
        return self._ref(cell, name, self._cells.get(id(cell), ()))


def _not_among(name: str, is_taken: Callable[[str], bool]) -> str:
    """A name, with a number if something else has it."""
    base, number = name, 1
    while is_taken(name):
        number += 1
        name = f"{base}#{number}"
    return name


def attributes(real: Any) -> dict[str, Any]:
    """An object's own attributes: its `__dict__` and its slots. The dict itself where there are no slots."""
    held: dict[str, Any] = getattr(real, "__dict__", None) or {}
    if isinstance(real, type | ModuleType):
        return dict(held)
    slots = {
        name: member.__get__(real)
        for base in type(real).__mro__
        for name, member in vars(base).items()
        if isinstance(member, types.MemberDescriptorType) and _is_set(member, real)
    }
    return {**held, **slots} if slots else held


def _is_set(member: types.MemberDescriptorType, real: object) -> bool:
    try:
        member.__get__(real)
    except AttributeError:
        return False
    return True


def remade(real: tuple[Any, ...], items: Iterable[Any]) -> Any:
    """A tuple of the same class with other items. No method written in Python is called for it."""
    return tuple.__new__(type(real), items)


def _root_name(state: object) -> str:
    return "state" if isinstance(state, (*CONTAINERS, tuple)) else type(state).__name__.lower()


def _kind(real: object) -> str:
    if isinstance(real, LOCK):
        return "lock"
    if isinstance(real, RLOCK):
        return "rlock"
    if isinstance(real, types.CellType):
        return "cell"
    if isinstance(real, threading.local):
        return "opaque"
    for container in CONTAINERS:
        if isinstance(real, container):
            return container.__name__
    is_python = any(base.__flags__ & (1 << 9) for base in type(real).__mro__)  # Py_TPFLAGS_HEAPTYPE
    return (
        "object"
        if is_python and type(real).__module__ != "builtins" and hasattr(real, "__dict__")
        else (
            "object"
            if any(isinstance(each, types.MemberDescriptorType) for each in vars(type(real)).values()) and is_python
            else "opaque"
        )
    )


def _is_taken(lock: Any) -> bool:
    if isinstance(lock, LOCK):
        return bool(lock.locked())
    if lock.acquire(blocking=False):
        owned = "count=1" not in repr(lock)
        lock.release()
        return owned
    return True


def _refs_in(value: Any) -> list[Ref]:
    if isinstance(value, Ref):
        return [value]
    if isinstance(value, Bound):
        return _refs_in(value.owner)
    if isinstance(value, tuple | frozenset):
        return [ref for each in value for ref in _refs_in(each)]
    return []
