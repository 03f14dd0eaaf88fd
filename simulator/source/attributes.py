"""Attributes, globals, and variables of enclosing functions: where Python finds them, and which operation that is."""

from __future__ import annotations

import builtins
import dataclasses
import enum
import sys
import types
from abc import abstractmethod
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from simulator.errors import InternalError
from simulator.ops import Read, Update, Write
from simulator.source.changes import removal
from simulator.source.kinds import (
    Super,
    View,
    bound,
    is_absent,
    is_data_descriptor,
    is_descriptor,
    is_of_python,
    is_slot,
    of_class,
    python_type,
    say,
    special,
    type_name,
    type_of,
)
from simulator.source.running import Steps
from simulator.source.shared import ABSENT, FIXED, Bound, Inner, Item, Ref, attributes
from simulator.source.sharing import Sharing

__all__ = ["Attributes", "Found"]

_UNKNOWN = ("threading", "queue", "logging")
"""Modules whose objects have methods that the model does not know, or leaves out."""


class Found(NamedTuple):
    """What a load led to: a "value", a "step" (the location to read), or a function to "call"."""

    how: str
    what: Any
    arguments: tuple[Any, ...] = ()


class Attributes(Sharing):
    """`owner.name`, loaded, stored and deleted."""

    def load(self, owner: Any, name: str, site: int | None) -> Steps:
        """`owner.name`."""
        owner = self.seen(owner)
        try:
            found = self._find(owner, name, site)
        except AttributeError:
            self.quiet(site)
            raise
        if found.how in ("value", "call"):
            self.quiet(site)
        while found.how == "step":
            yield from self.hold()
            self.is_at(site)
            found = self._read(self.mine((yield Read(found.what))), found, owner, name, site)
        if found.how == "call":
            try:
                return (yield from self.follow(found.what, found.arguments, {}, None))
            except AttributeError:
                fallback = self._fallback(owner, found)
                if fallback is None:
                    raise
            return (yield from self.follow(fallback, (owner, name), {}, None))
        if found.how == "whole":
            return getattr((yield from self.all_of(owner, site)), name)
        return found.what

    def _fallback(self, owner: Any, found: Found) -> Any:
        """The `__getattr__` that is asked when a property has raised AttributeError; None where there is none."""
        fallback = special(owner, "__getattr__") if not isinstance(owner, Super) else None
        return fallback if isinstance(fallback, FunctionType) and found.what is not fallback else None

    @abstractmethod
    def all_of(self, owner: Ref, site: int | None, *key: Any) -> Steps:
        """All of a container, in one go."""

    def _read(self, value: Any, found: Found, owner: Any, name: str, site: int | None) -> Found:
        """What was read, or where to look next when there was nothing."""
        return Found("value", value) if value is not ABSENT else self._look(owner, found.arguments, name, site)

    def _find(self, owner: Any, name: str, site: int | None) -> Found:
        if type(owner) is Ref:
            return self._find_shared(owner, name, site)
        if isinstance(owner, Super):
            return self._find_super(owner, name, site)
        if isinstance(owner, View):
            raise self.wrong(f"asks for {name!r} of the {owner.which}() of {owner.ref}, which cannot be followed", site)
        if isinstance(owner, Bound | Inner):
            function = owner.function
            if name == "__class__":
                return Found("value", python_type(owner))
            if isinstance(owner, Inner) and name in ("__name__", "__qualname__"):
                return Found("value", owner.name if name == "__qualname__" else owner.name.rpartition(".")[2])
            if isinstance(function, str) or not hasattr(function, name):
                raise self.wrong(f"asks for {name!r} of {say(owner)}, which cannot be followed", site)
            return Found("value", getattr(function, name))
        if isinstance(owner, ModuleType):
            self._refuse_namespace(owner, name, site)
            return self._find_static(owner, name)
        if isinstance(owner, type):
            self._refuse_namespace(owner, name, site)
            if isinstance(owner, enum.EnumMeta) or not is_of_python(owner):
                return Found("value", getattr(owner, name))
            return self._look(owner, owner.__mro__, name, site)
        if is_of_python(type(owner)):
            return self._find_private(owner, name, site)
        return Found("value", python_type(owner) if name == "__class__" else getattr(owner, name))

    def _refuse_namespace(self, owner: type | ModuleType, name: str, site: int | None) -> None:
        """Raise for the dict behind a class or a module: it is the real one, and not what threads see."""
        if name == "__dict__":
            raise self.wrong(f"looks into the __dict__ of {owner.__name__}, which cannot be followed", site)

    def _find_shared(self, owner: Ref, name: str, site: int | None) -> Found:
        if name == "__class__":
            return Found("value", owner.type)
        if name == "__dict__":
            raise self.wrong(f"looks into the __dict__ of {owner!r}, which cannot be followed", site)
        if owner.kind in ("lock", "rlock", "opaque") or owner.type.__module__ in _UNKNOWN:
            return Found("value", self._opaque_method(owner, name, site))
        if isinstance(special(owner, "__getattribute__"), FunctionType):
            raise self.wrong(f"looks into {owner!r}, whose __getattribute__ cannot be followed", site)
        attribute = of_class(owner.type, name, ABSENT)
        if isinstance(attribute, property):
            return self._got(attribute, owner, owner.type, name)
        if is_data_descriptor(attribute):
            return self._look(owner, owner.type.__mro__, name, site)
        if owner.kind != "object" and isinstance(attribute, FunctionType) and not is_of_python(owner.type):
            # Counter, OrderedDict …: what its methods do is one step, whether they are C code or not.
            return Found("value", Bound(name, owner))
        if not (isinstance(attribute, FunctionType) and owner.kind != "object"):
            is_constant, found = self.shared.constant(owner, Item("attribute", name))
            if not is_constant:
                return Found("step", found, owner.type.__mro__)
            if found is not ABSENT:
                return Found("value", found)
        return self._look(owner, owner.type.__mro__, name, site)

    def _opaque_method(self, owner: Ref, name: str, site: int | None) -> Bound:
        """What C code, or the library, does with a state that nobody sees: its methods are known or refused when called."""
        attribute = of_class(owner.type, name, ABSENT)
        if owner.kind == "opaque" and not callable(attribute):
            raise self.wrong(f"asks for {name!r} of {owner!r}, {say_kind(owner)}, which cannot be followed", site)
        return Bound(name, owner)

    def _got(self, attribute: property, owner: Any, kind: type, name: str) -> Found:
        if attribute.fget is None:
            raise AttributeError(f"property {name!r} of {kind.__name__!r} object has no getter")
        return Found("call", attribute.fget, (owner,))

    def _look(self, owner: Any, chain: tuple[type, ...], name: str, site: int | None) -> Found:
        """An attribute that the classes of a chain may have: of an instance, of a class, or of `super()`."""
        for number, base in enumerate(chain):
            location = self.shared.location(base, Item("attribute", name))
            if location in self.shared.memory:
                return Found("step", location, chain[number + 1 :])
            if name in vars(base):
                attribute = vars(base)[name]
                if not is_slot(attribute):
                    return self._of_class(owner, base, attribute, name, site)
                if isinstance(owner, Ref) and owner.kind != "object" and not is_of_python(base):
                    return Found("whole", name)
                if not isinstance(owner, Ref | type):
                    return Found("value", attribute.__get__(owner))
                if isinstance(owner, type):
                    return Found("value", attribute)
        return self._unfound(owner, name)

    def _unfound(self, owner: Any, name: str) -> Found:
        if isinstance(owner, Super):
            raise AttributeError(f"'super' object has no attribute {name!r}")
        if isinstance(owner, ModuleType):
            raise AttributeError(f"module {owner.__name__!r} has no attribute {name!r}")
        if isinstance(owner, type):
            return Found("value", getattr(owner, name))
        kind = type_of(owner)
        fallback = of_class(kind, "__getattr__")
        if isinstance(fallback, FunctionType):
            return Found("call", fallback, (owner, name))
        raise AttributeError(f"{kind.__name__!r} object has no attribute {name!r}")

    def _of_class(self, owner: Any, base: type, attribute: Any, name: str, site: int | None) -> Found:
        """What an attribute of a class is to an instance, to the class, or to `super()`."""
        instance = owner.owner if isinstance(owner, Super) else owner
        is_class = isinstance(instance, type)
        kind = instance if is_class else type_of(instance)
        if isinstance(attribute, FunctionType):
            return Found("value", attribute if is_class else bound(attribute, instance))
        if isinstance(attribute, staticmethod):
            return Found("value", attribute.__func__)
        if isinstance(attribute, classmethod):
            return Found("value", Bound(attribute.__func__, kind))
        if is_class and not isinstance(owner, Super):
            if hasattr(type(attribute), "__get__"):
                return Found("value", getattr(owner, name))
            return self._find_static(base, name)
        if isinstance(attribute, property):
            return self._got(attribute, instance, kind, name)
        if isinstance(attribute, types.MethodDescriptorType | types.WrapperDescriptorType):
            return Found(
                "value", Bound(name, instance) if isinstance(instance, Ref) else attribute.__get__(instance, kind)
            )
        if isinstance(attribute, types.ClassMethodDescriptorType):
            return Found("value", attribute.__get__(None, kind))
        if (
            isinstance(attribute, types.GetSetDescriptorType)
            and isinstance(instance, Ref)
            and instance.kind != "object"
        ):
            return Found("whole", name)
        if is_descriptor(attribute):
            if not isinstance(instance, Ref) and not is_of_python(type(attribute)):
                # C code's, or that of an enum's member: what it does is Python's business.
                return Found("value", attribute.__get__(instance, kind))
            raise self.wrong(
                f"uses {kind.__name__}.{name}, {say(attribute)} (of {type(attribute).__module__}): a descriptor that cannot be "
                "followed; a method or a property can",
                site,
            )
        return self._find_static(base, name)

    def _find_static(self, owner: type | ModuleType, name: str) -> Found:
        """An attribute of a class itself, or of a module."""
        is_constant, found = self.shared.constant(owner, Item("attribute", name))
        if not is_constant:
            return Found("step", found, ())
        fallback = vars(owner).get("__getattr__") if isinstance(owner, ModuleType) else None
        if found is ABSENT and isinstance(fallback, FunctionType):
            return Found("call", fallback, (name,))
        return Found("value", getattr(owner, name) if found is ABSENT else found)

    def _find_private(self, owner: Any, name: str, site: int | None) -> Found:
        """An attribute of an object that only this thread knows."""
        kind = type(owner)
        if name == "__class__":
            return Found("value", kind)
        if isinstance(special(owner, "__getattribute__"), FunctionType):
            raise self.wrong(f"looks into {say(owner)}, whose __getattribute__ cannot be followed", site)
        attribute = of_class(kind, name, ABSENT)
        if isinstance(attribute, property):
            return self._got(attribute, owner, kind, name)
        if is_data_descriptor(attribute):
            return self._look(owner, kind.__mro__, name, site)
        held = attributes(owner)
        if name in held:
            value = held[name]
            if isinstance(owner, (*FIXED, tuple, frozenset)):
                # All threads have it, and so they have what it holds.
                value = self.shared.value(value, f"{getattr(owner, '__qualname__', kind.__name__)}.{name}")
            return Found("value", value)
        return self._look(owner, kind.__mro__, name, site)

    def _find_super(self, owner: Super, name: str, site: int | None) -> Found:
        instance = owner.owner
        chain = (instance if isinstance(instance, type) else type_of(instance)).__mro__
        return self._look(owner, chain[chain.index(owner.after) + 1 :], name, site)

    def super(self, after: type, owner: Any) -> Super:
        """`super()`."""
        return Super(after, self.seen(owner))

    def store(self, owner: Any, name: str, value: Any, site: int | None) -> Steps:
        """`owner.name = value`."""
        owner = self.seen(owner)
        setter, arguments = self._setter(owner, name, value, site)
        if setter is not None:
            self.quiet(site)
            yield from self.follow(setter, arguments, {}, None)
        else:
            yield from self.store_raw(owner, name, value, site)

    def store_raw(self, owner: Any, name: str, value: Any, site: int | None) -> Steps:
        """What `object.__setattr__` does."""
        if isinstance(owner, Ref | type | ModuleType):
            value = yield from self.share(value, site)
            location = self.shared.writes(owner, Item("attribute", name))
            yield from self.hold()
            self.is_at(site)
            yield Write(location, value)
        else:
            self._refuse_fixed(owner, f"sets {name!r}", site)
            self.quiet(site)
            object.__setattr__(owner, name, value)

    def _refuse_fixed(self, owner: Any, does: str, site: int | None) -> None:
        """Raise for a function, an enum's member, a number …: they are values here, which all threads have as they are."""
        if isinstance(owner, (*FIXED, tuple, frozenset)):
            raise self.wrong(
                f"{does} of {say(owner)}, which is taken for a value that never changes; give it to an object of your own",
                site,
            )
        if isinstance(owner, BaseException) and self.known_error(owner) is not None:
            raise self.wrong(
                f"{does} of {say(owner)} that others know: an exception is taken for a value that does not change then",
                site,
            )

    def _setter(self, owner: Any, name: str, value: Any, site: int | None) -> tuple[Any, tuple[Any, ...]]:
        """The function that sets an attribute and its arguments, where the class says so."""
        if isinstance(owner, type | ModuleType):
            return None, ()
        kind = type_of(owner)
        self._refuse_opaque(owner, name, "sets", site)
        attribute = of_class(kind, name)
        own = of_class(kind, "__setattr__")
        if isinstance(own, FunctionType):
            if _is_frozen(kind):
                raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
            return own, (owner, name, value)
        if isinstance(attribute, property):
            if attribute.fset is None:
                raise AttributeError(f"property {name!r} of {kind.__name__!r} object has no setter")
            return attribute.fset, (owner, value)
        if attribute is not None and not is_slot(attribute) and hasattr(type(attribute), "__set__"):
            if isinstance(owner, Ref) or is_of_python(type(attribute)):
                raise self.wrong(f"sets {kind.__name__}.{name}, a descriptor that cannot be followed", site)
        elif isinstance(owner, Ref) and not is_slot(attribute) and not kind.__dictoffset__:
            # It raises, with the words of this version of Python.
            object.__setattr__(kind.__new__(kind), name, None)
        return None, ()

    def _refuse_opaque(self, owner: Any, name: str, does: str, site: int | None) -> None:
        if isinstance(owner, Ref) and owner.kind in ("lock", "rlock", "opaque"):
            raise self.wrong(f"{does} {name!r} of {owner!r}, {say_kind(owner)}, which cannot be followed", site)

    def delete(self, owner: Any, name: str, site: int | None) -> Steps:
        """`del owner.name`."""
        owner = self.seen(owner)
        deleter, arguments = self._deleter(owner, name, site)
        if deleter is not None:
            self.quiet(site)
            yield from self.follow(deleter, arguments, {}, None)
        else:
            yield from self.delete_raw(owner, name, site)

    def delete_raw(self, owner: Any, name: str, site: int | None) -> Steps:
        """What `object.__delattr__` does."""
        if isinstance(owner, Ref | type | ModuleType):
            location = self.shared.writes(owner, Item("attribute", name))
            yield from self.hold()
            self.is_at(site)
            yield Update(location, removal(AttributeError, _said_of_missing(type_name(owner), name)))
        else:
            self._refuse_fixed(owner, f"deletes {name!r}", site)
            self.quiet(site)
            object.__delattr__(owner, name)

    def _deleter(self, owner: Any, name: str, site: int | None) -> tuple[Any, tuple[Any, ...]]:
        if isinstance(owner, type | ModuleType):
            return None, ()
        kind = type_of(owner)
        self._refuse_opaque(owner, name, "deletes", site)
        attribute = of_class(kind, name)
        own = of_class(kind, "__delattr__")
        if isinstance(own, FunctionType):
            if _is_frozen(kind):
                raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
            return own, (owner, name)
        if isinstance(attribute, property):
            if attribute.fdel is None:
                raise AttributeError(f"property {name!r} of {kind.__name__!r} object has no deleter")
            return attribute.fdel, (owner,)
        if attribute is not None and not is_slot(attribute) and hasattr(type(attribute), "__delete__"):
            raise self.wrong(f"deletes {kind.__name__}.{name}, a descriptor that cannot be followed", site)
        return None, ()

    # -- globals and variables of enclosing functions

    def load_global(self, name: str, site: int) -> Steps:
        """A global that some function assigns."""
        module = self.code.module_of(self.code.site(site)[0])
        location = self.shared.location(module, Item("attribute", name))
        if location not in self.shared.memory:
            return (yield from self.load(module, name, site))
        yield from self.hold()
        self.is_at(site)
        return self._global(self.mine((yield Read(location))), name)

    def _global(self, value: Any, name: str) -> Any:
        if value is not ABSENT:
            return value
        return _builtin(name)

    def store_global(self, name: str, value: Any, site: int) -> Steps:
        """The same, assigned."""
        yield from self.store(self.code.module_of(self.code.site(site)[0]), name, value, site)

    def imported(self, name: str, level: int, site: int, top: str = "") -> ModuleType:
        """The module that an `import` finds, or the one named `top` around it. What is new is imported once, as by setup."""
        around = vars(self.code.module_of(self.code.site(site)[0]))
        found: ModuleType = __import__(name, {**around}, None, ["*"] if not top else [], level)
        return found

    def load_from(self, module: ModuleType, name: str, site: int) -> Steps:
        """`from module import name`: what the module holds now, or else a module inside it."""
        try:
            return (yield from self.load(module, name, site))
        except AttributeError:
            return self._module_in(module, name)

    def _module_in(self, module: ModuleType, name: str) -> ModuleType:
        found = sys.modules.get(f"{module.__name__}.{name}")
        if found is None:
            where = getattr(module, "__file__", None) or "unknown location"
            raise ImportError(f"cannot import name {name!r} from {module.__name__!r} ({where})")
        return found

    def load_cell(self, cell: Ref, name: str, site: int) -> Steps:
        """A variable of an enclosing function that some thread assigns."""
        is_constant, found = self.shared.constant(cell, Item("cell", None))
        if is_constant:
            self.quiet(site)
        else:
            yield from self.hold()
            self.is_at(site)
            found = self.mine((yield Read(found)))
        if is_absent(found):
            raise NameError(
                f"cannot access free variable {name!r} where it is not associated with a value in enclosing scope"
            )
        return found

    def store_cell(self, cell: Ref, value: Any, site: int) -> Steps:
        """The same, assigned."""
        value = yield from self.share(value, site)
        location = self.shared.writes(cell, Item("cell", None))
        yield from self.hold()
        self.is_at(site)
        yield Write(location, value)


def say_kind(ref: Ref) -> str:
    """What an error calls a shared object's class."""
    module = ref.type.__module__.removeprefix("_")
    name = ref.type.__name__ if module in ("builtins", "thread") else f"{module}.{ref.type.__name__}"
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def _is_frozen(kind: type) -> bool:
    """Whether a class is a frozen dataclass, whose `__setattr__` only refuses."""
    parameters = getattr(kind, "__dataclass_params__", None)
    return parameters is not None and bool(parameters.frozen)


class _Nothing:
    """An object without attributes."""


def _said_of_missing(kind: str, name: str) -> str:
    """The text of the AttributeError of `del`, which depends on Python's version."""
    try:
        object.__delattr__(_Nothing(), name)
    except AttributeError as error:
        return str(error).replace("_Nothing", kind)
    raise InternalError(f"an object without attributes has one named {name!r}")


def _builtin(name: str) -> Any:
    """What Python finds where there is no global. Raises NameError as Python does."""
    try:
        return getattr(builtins, name)
    except AttributeError:
        raise NameError(f"name {name!r} is not defined") from None
