"""From a reference that a person types to something that makes Programs.

A reference is a registered name (entry point group `simulator.scenarios`), `module:attribute`, or
`path/to/file.py:attribute`. The attribute is a Scenario, a Program, a Plain, or a function that makes one of the last
two (its annotated parameters, if it has any, become parameters just as a scenario's do): its annotation says so, or it
names Program or Plain, or calls what does. Any other function or method is plain code itself, which so many threads
then run in the model; it is never called. A reference with `||` in it is the program itself, as litmus text. Whatever
is wrong with it is a UsageError of one line, with file and line where there is one.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from simulator.errors import ProgramError, SimulatorError, UsageError, nearest
from simulator.litmus import is_litmus, parse
from simulator.program import Program
from simulator.scenario import Parameter, Plain, Range, Scenario

if TYPE_CHECKING:
    from simulator.source.threads import Threads

__all__ = ["GROUP", "Loaded", "find", "load", "module_name", "registered", "say"]

GROUP = "simulator.scenarios"
"""The entry point group under which scenarios are registered."""
_OURS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a reference led to: a name, parameters, and how to make the program and its plain Python version."""

    reference: str
    name: str
    summary: str
    description: str
    parameters: tuple[Parameter, ...]
    _program: Callable[..., object] | None
    _plain: Callable[..., Plain | None]
    has_plain: bool = False
    """Whether there is a plain Python version: then it can be explored at a granularity."""
    granularity: str | None = None
    """Where the interpreter may switch threads, if it is the plain version that is to be explored."""
    strict: bool = False
    _made: dict[object, Threads] = field(default_factory=dict, compare=False, repr=False)

    @property
    def is_plain(self) -> bool:
        """Whether its program is made of plain code."""
        return self._program is None or self.granularity is not None

    def at(self, granularity: str | None, *, strict: bool = False) -> Loaded:
        """The same, its plain version to be explored at a granularity."""
        return replace(self, granularity=granularity, strict=strict)

    def threads(self, **values: Any) -> Threads:
        """The plain version, made ready to be explored: the same each time. Raises UsageError when there is none."""
        from simulator.source.threads import Threads

        granularity = self.granularity or "operations"
        key = (granularity, self.strict, *sorted(values.items()))
        if key not in self._made:
            plain = self.plain(**values)
            if plain is None:
                raise UsageError(f"{self.name} has no plain Python version, so it has no granularity")
            self._made[key] = Threads(plain, granularity=granularity, strict=self.strict, name=self.name)
        return self._made[key]

    def program(self, **values: Any) -> Program:
        """The program for these parameters. Raises UsageError for a value it cannot have, and when making it fails."""
        if self._program is None or self.granularity is not None:
            return self.threads(**values).program
        made = self._make(self._program, values)
        if not isinstance(made, Program):
            raise UsageError(f"{self.reference} returned {say(made)}, expected a Program{_hint(made)}")
        return made

    def plain(self, **values: Any) -> Plain | None:
        """The plain Python version for these parameters, None where there is none. Raises as `program` does."""
        made = self._make(self._plain, values)
        if made is not None and not isinstance(made, Plain):
            raise UsageError(f"the plain version of {self.reference} is {say(made)}, expected a Plain")
        return made

    def _make(self, make: Callable[..., object], values: Mapping[str, Any]) -> object:
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in values:
            if name not in known:
                raise UsageError(f"{self.name!r} has no parameter {name!r}{nearest(name, known)}")
        try:
            return make(**values)
        except ProgramError as error:
            raise ProgramError(f"{_place(error)}{error}") from error
        except SimulatorError:
            raise
        except Exception as error:
            shown = ", ".join(f"{name}={value!r}" for name, value in values.items())
            raise UsageError(f"{_place(error)}{self.reference}({shown}) raised {_raised(error)}") from error


def load(reference: str) -> Loaded:
    """Find what a reference names. Raises UsageError, of one line, when there is nothing usable.

    >>> load("no-such-file.py:program")
    Traceback (most recent call last):
    simulator.errors.UsageError: no-such-file.py: no such file
    """
    owner, found = _find(reference)
    return _wrap(reference, found, owner)


def find(reference: str) -> object:
    """The object that a reference names, whatever it is. Raises UsageError, of one line, when there is none.

    >>> find("simulator.loading:GROUP")
    'simulator.scenarios'
    """
    return _find(reference)[1]


def _find(reference: str) -> tuple[object, object]:
    """The object that a reference names, and what it was an attribute of."""
    if is_litmus(reference):
        return None, parse(reference).program()
    place, colon, attribute = reference.rpartition(":")
    if not colon or os.sep in attribute:
        if reference.endswith(".py") or os.sep in reference:
            raise UsageError(f"{reference}: say what of the file, as {reference}:NAME{_offered(reference)}")
        return None, _registered(reference)
    if not attribute or not place:
        raise UsageError(
            f"{reference!r} cannot be read; write a scenario's name, module:attribute or path/to/file.py:attribute"
        )
    module = _file(place) if place.endswith(".py") or os.sep in place else _module(place)
    owner: object = None
    found: object = module
    for part in attribute.split("."):
        try:
            owner, found = found, getattr(found, part)
        except AttributeError:
            names = [name for name in dir(found) if not name.startswith("_")]
            inside = f": {say(found).removeprefix('the ')}" if isinstance(found, type) else ""
            raise UsageError(f"{place}{inside} has no attribute {part!r}{_near_only(part, names)}") from None
    return owner, found


def registered() -> tuple[str, ...]:
    """The names of all registered scenarios, in alphabetical order."""
    return tuple(sorted(_entries()))


def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _registered(name: str) -> object:
    entries = _entries()
    if name not in entries:
        raise UsageError(f"there is no scenario {name!r}{_nearest(name, sorted(entries))}")
    try:
        return entries[name].load()
    except Exception as error:
        raise UsageError(
            f"{_place(error)}scenario {name!r} ({entries[name].value}) cannot be loaded: {_raised(error)}"
        ) from error


def _nearest(name: str, known: list[str]) -> str:
    """The end of the line: the names that were perhaps meant, for all of them are too many."""
    if ";" in name or " " in name:
        return "; litmus text has '||' between its threads"
    close = [repr(each) for each in difflib.get_close_matches(name, known, cutoff=0.7)]
    if close:
        return f"; did you mean {' or '.join(close)}?"
    return f"; 'simulator list' names all {len(known)}" if known else ""


def _wrap(reference: str, found: Any, owner: object) -> Loaded:
    name = reference.rpartition(":")[2]
    if isinstance(found, Scenario):
        return Loaded(
            reference,
            found.name,
            found.summary,
            found.description,
            found.parameters,
            found.program,
            found.plain,
            found.has_plain,
        )
    if isinstance(found, Plain):
        return Loaded(reference, name, found.source or name, found.source or name, (), None, lambda: found, True)
    if isinstance(found, Program):
        program = found
        summary = f"{len(program.threads)} thread{'s' * (len(program.threads) != 1)}"
        return Loaded(reference, program.name, summary, summary, (), lambda: program, lambda: None)
    if isinstance(found, type):
        raise UsageError(f"{reference} is a class{_methods(reference, found)}")
    if not callable(found):
        raise UsageError(
            f"{reference} is {say(found)}, expected a Scenario, a Program, a Plain or a function that returns one"
        )
    if isinstance(found, BuiltinFunctionType):
        raise UsageError(f"{reference} is C code, {found.__name__}(), which cannot be followed; name a Python function")
    of = owner if isinstance(owner, type) and _is_method(owner, name.rpartition(".")[2]) else None
    made = frozenset[type]() if of is not None else _makes(found)
    if not made and not inspect.isgeneratorfunction(found):
        return _worker(reference, found, of)
    if isinstance(found, FunctionType) and made == {Plain}:
        described, make = _as_scenario(reference, found), found
        return Loaded(
            reference,
            found.__name__,
            described.summary,
            described.description,
            described.parameters,
            None,
            lambda **values: make(**described.checked(values)),
            True,
        )
    if isinstance(found, FunctionType) and (found.__code__.co_argcount or found.__code__.co_kwonlyargcount):
        as_one = _as_scenario(reference, found)
        name = found.__name__
        return Loaded(
            reference, name, as_one.summary, as_one.description, as_one.parameters, as_one.program, lambda **_: None
        )
    name = getattr(found, "__name__", None) or name
    text = (getattr(found, "__doc__", None) or name).strip()
    return Loaded(reference, name, text.splitlines()[0], text, (), found, lambda: None)


def _makes(found: object) -> frozenset[type]:
    from simulator.source.described import makes

    return makes(found)


def _is_method(owner: type, name: str) -> bool:
    """Whether it is called on an object: no static method, no class method."""
    return not isinstance(inspect.getattr_static(owner, name, None), staticmethod | classmethod)


def _methods(reference: str, kind: type) -> str:
    """The end of the line: which of a class's methods could be meant."""
    names = [name for name, value in vars(kind).items() if callable(getattr(value, "__func__", value))]
    public = [f"{reference}.{name}" for name in names if not name.startswith("_")]
    return (
        f"; name a method: {', '.join(public)}" if public else " without methods of its own, expected what threads do"
    )


def _worker(reference: str, found: Callable[..., object], owner: type | None) -> Loaded:
    """A function that so many threads run."""
    name = getattr(found, "__qualname__", None) or reference.rpartition(":")[2]
    if name == "<lambda>" or "<locals>" in name:
        name = reference.rpartition(":")[2]
    text = (
        getattr(found, "__doc__", None) if hasattr(found, "__qualname__") else None
    ) or f"{name}, in several threads"

    def plain(threads: int = 2) -> Plain:
        from simulator.source.described import many

        return many(found, owner, threads)

    parameters = (Parameter("threads", int, 2, "how many threads run it", Range(1, 1000)),)
    return Loaded(reference, name, text.strip().splitlines()[0], text.strip(), parameters, None, plain, True)


def _as_scenario(reference: str, build: FunctionType) -> Scenario:
    code: CodeType = build.__code__
    try:
        return Scenario(build, (build.__doc__ or build.__name__).strip().splitlines()[0])
    except UsageError as error:
        raise UsageError(f"{_shown(code.co_filename)}:{code.co_firstlineno}: {error}") from None
    except Exception as error:
        raise UsageError(
            f"{_shown(code.co_filename)}:{code.co_firstlineno}: the annotations of {reference} cannot be read: {_raised(error)}"
        ) from error


def _module(name: str) -> ModuleType:
    # As `python -m` does: what lies in the working directory can be imported.
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise UsageError(f"there is no module {error.name!r} (looked for {name!r} along sys.path)") from None
        raise UsageError(f"{_place(error)}module {name!r} cannot be imported: {_raised(error)}") from error
    except (Exception, SystemExit) as error:
        raise UsageError(f"{_place(error)}module {name!r} cannot be imported: {_raised(error)}") from error


def _file(path: str) -> ModuleType:
    if os.path.isdir(path):
        raise UsageError(f"{path}: is a directory, expected a Python file")
    if not os.path.exists(path):
        raise UsageError(f"{path}: no such file")
    full = str(Path(path).resolve())
    root, package = _package(Path(full))
    # As `python file.py` does: what lies beside the file can be imported; and what a package is imported from comes first.
    for folder in (os.path.dirname(full), str(root)):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    name = module_name(full)
    if package and name == package:
        return _module(name)
    known = sys.modules.get(name)
    if known is not None and known is not _LOADED.get(name):
        # What another file imported is the same module to everybody.
        return known
    _forget(name)
    before = set(sys.modules)
    spec = importlib.util.spec_from_file_location(name, full)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path}: is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = _LOADED[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name], _LOADED[name]
        if isinstance(error, OSError) and error.filename == full:
            raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
        if isinstance(error, SyntaxError):
            raise UsageError(f"{_line(error, path)}: does not compile: {error.msg}") from None
        raise UsageError(f"{_place(error, full) or f'{path}: '}cannot be imported: {_raised(error)}") from error
    finally:
        _BESIDE[name] = [each for each in set(sys.modules) - before if _folder(sys.modules[each]) == str(root)]
    return module


_LOADED: dict[str, ModuleType] = {}
"""The files that were loaded, by the names that they have as modules."""
_BESIDE: dict[str, list[str]] = {}
"""What each of them imported from its own folder."""


def module_name(path: str) -> str:
    """The name of the module that a file becomes: the one that other files import it by, so that there is one of it.

    A name of its own where that one is another's: a file `queue.py` never hides the library's module.

    >>> module_name("/some/where/queue.py"), module_name("/some/where/my-bank.py")
    ('simulator_file_queue', 'simulator_file_my-bank')
    """
    file = Path(path)
    root, package = _package(file)
    name = package or file.stem
    known = sys.modules.get(name)
    is_another = known is not None and known is not _LOADED.get(name) and getattr(known, "__file__", None) != path
    top = sys.modules.get(package.partition(".")[0])
    if (
        is_another
        or (top is not None and str(root / top.__name__) not in getattr(top, "__path__", ()))
        or not file.stem.isidentifier()
        or name.partition(".")[0] in sys.stdlib_module_names
        or (not package and (file.parent / file.stem / "__init__.py").exists())
    ):
        return f"simulator_file_{file.stem}"
    return name


def _package(file: Path) -> tuple[Path, str]:
    """The folder that a file is imported from, and its name as a part of a package; no name where it is in none."""
    folder, parts = file.parent, [file.stem] if file.stem != "__init__" else []
    while (folder / "__init__.py").exists() and folder != folder.parent:
        parts.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(parts) if folder != file.parent else ""


def _forget(name: str) -> None:
    """Load a file anew, and with it what it imported from its folder: that may hold what it was before."""
    for each in (name, *_BESIDE.pop(name, ())):
        sys.modules.pop(each, None)


def _folder(module: ModuleType | None) -> str:
    return os.path.dirname(getattr(module, "__file__", None) or "")


def _offered(path: str) -> str:
    """Which names of a file would do."""
    if not os.path.isfile(path):
        return ""
    names = [name for name, value in vars(_file(path)).items() if isinstance(value, Program | Scenario)]
    return f"; it has {', '.join(names)}" if names else ""


def _place(error: BaseException, within: str | None = None) -> str:
    """`file:line: ` of the innermost line of user code that an exception came through: not ours, not the importer's."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_line(error, error.filename)}: "
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((_OURS, "<")) and "importlib" not in frame.filename
    ]
    inside = [frame for frame in frames if frame.filename == within] or frames
    return f"{_shown(inside[-1].filename)}:{inside[-1].lineno}: " if inside else ""


def _line(error: SyntaxError, path: str) -> str:
    """Where Python could not go on: the file, and its line where there is one (in bytes that are no text, there is none)."""
    file = _shown(error.filename or path)
    return file if error.lineno is None else f"{file}:{error.lineno}"


def _shown(file: str) -> str:
    """A file's path as a person in the working directory would type it."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file


def _raised(error: BaseException) -> str:
    said = " ".join(str(error).split())
    if isinstance(error, SimulatorError):
        return said
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def say(value: object) -> str:
    """What a value is, in a few words that are the same every time.

    >>> say(3), say(int), say(say)
    ('3', 'the class int', 'a function')
    """
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)
    if isinstance(value, type):
        return f"the class {value.__name__}"
    kind = type(value).__name__
    return f"{'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind}"


def _hint(made: object) -> str:
    if isinstance(made, Plain):
        return "; say so where it is written: 'def ...() -> Plain:'"
    if hasattr(made, "gi_frame"):
        return "; this is a thread's body: put it into one, as Program({'a': body, 'b': body}, ...)"
    return "; is a 'return' missing?" if made is None else ""


def _near_only(name: str, known: list[str]) -> str:
    """The nearest name; a module has too many others to list."""
    near = nearest(name, known)
    return near if near.startswith("; did you mean") else ""
