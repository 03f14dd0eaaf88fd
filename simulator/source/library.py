"""What of Python's library only computes with what it is given, and why the rest is not called while code is followed.

Code is followed many times over, and what is called natively is really called each time. So only what is known to compute
may be: whatever removes a file, ends the process or waits for a pipe would do so, hundreds of times. What is not Python's own
(somebody's extension) cannot be known; it is the caller who says so.
"""

from __future__ import annotations

import datetime
import random
import sys
from types import MethodWrapperType, ModuleType
from typing import Any, Final

from simulator.source.kinds import name_of

__all__ = ["is_known", "refusal", "said"]

_COMPUTING: Final = frozenset({
    "_abc", "_bisect", "_codecs", "_collections", "_collections_abc", "_csv", "_datetime", "_decimal", "_elementtree",
    "_functools", "_hashlib", "_heapq", "_json", "_operator", "_pickle", "_sre", "_statistics", "_string", "_struct",
    "_weakref", "_weakrefset", "_blake2", "_md5", "_sha1", "_sha2", "_sha256", "_sha3", "_sha512", "_pydecimal", "_pydatetime",
    "abc", "array", "ast", "base64", "binascii", "bisect", "builtins", "calendar", "cmath", "collections", "colorsys",
    "contextlib", "contextvars", "_contextvars", "copy", "copyreg", "csv", "dataclasses", "datetime", "decimal", "difflib",
    "encodings", "enum", "fnmatch", "fractions", "functools", "graphlib", "hashlib", "heapq", "hmac", "html", "inspect",
    "ipaddress", "itertools", "json", "keyword", "math", "numbers", "operator", "pickle", "quopri", "re", "reprlib",
    "shlex", "statistics", "string", "stringprep", "struct", "textwrap", "token", "tomllib", "types", "typing", "_typing",
    "unicodedata", "weakref", "zlib", "zoneinfo", "_zoneinfo",
})  # fmt: skip
"""Modules whose code computes and touches nothing else."""
_PATHS: Final = frozenset({
    "join", "basename", "dirname", "split", "splitext", "splitdrive", "splitroot", "normpath", "normcase", "isabs",
    "commonpath", "commonprefix",
})  # fmt: skip
_IN_PART: Final = {
    "bz2": frozenset({"compress", "decompress"}),
    "codecs": frozenset({"encode", "decode"}),
    "genericpath": _PATHS,
    "lzma": frozenset({"compress", "decompress"}),
    "ntpath": _PATHS,
    "os": frozenset({"fspath", "fsencode", "fsdecode", "getenv", "encode", "decode", "__getitem__", "__iter__", "__len__"}),
    "posix": frozenset({"fspath", "strerror", "_path_normpath", "_path_splitroot", "_path_splitroot_ex"}),
    "posixpath": _PATHS,
    "pprint": frozenset({"pformat", "saferepr"}),
    "sys": frozenset({"exit", "exc_info", "exception", "getdefaultencoding", "getrecursionlimit", "getsizeof", "intern"}),
    "traceback": frozenset({"format_exc", "format_exception", "format_exception_only", "format_tb"}),
}  # fmt: skip
"""What computes, by name, of modules that also do other things."""
_DOING_BUILTINS: Final = frozenset({"eval", "exec", "breakpoint", "__import__", "locals", "globals", "vars", "dir"})
_WAITING_BUILTINS: Final = frozenset({"open", "input"})
_RANDOM: Final = frozenset({"random", "secrets", "uuid", "_random"})
_CLOCK: Final = frozenset({"time"})
_WAITS: Final = frozenset({
    "socket", "ssl", "select", "selectors", "subprocess", "multiprocessing", "asyncio", "queue", "_queue", "concurrent",
    "http", "urllib", "_socket", "_io", "io", "signal", "ftplib", "smtplib", "tempfile", "shutil", "fileinput", "_asyncio",
})  # fmt: skip
_THREADS: Final = frozenset({"threading", "_thread"})

_KNOWN_AS: Final = {"posix": "os", "nt": "os", "genericpath": "os.path", "posixpath": "os.path", "ntpath": "os.path"}


def refusal(function: Any) -> str | None:
    """Why a C function, a library's function or a class may not be called, as the end of a sentence that names it.

    None where it only computes, or nobody knows what it does.

    >>> refusal("text".upper), refusal(len), refusal(datetime.date(2024, 2, 29).isoformat)
    (None, None, None)
    >>> import os
    >>> refusal(os.getpid)
    ': it would really be called, many times over; put a stand-in for it, or give in from outside what it returns'
    """
    owner = getattr(function, "__self__", None)
    name = getattr(function, "__name__", "")
    if _is_call_of(function):
        return refusal(owner)
    if isinstance(function, type) and issubclass(function, BaseException):
        return None
    if getattr(function, "__module__", None) == "urllib.parse":
        # The one part of its package that opens nothing.
        return None
    module = _module_of(function)
    if module in _RANDOM or module in _CLOCK or isinstance(owner, random.Random) or _is_clock(function, owner):
        return ": a clock or a random number is not the same every time; give it in from outside"
    if module in _THREADS:
        return ", which the model does not know (it knows Lock and RLock)"
    if module in _WAITS or (module == "builtins" and name in _WAITING_BUILTINS):
        return ": it waits on something that the model does not know; put a stand-in for it"
    if _computes(function, module, name):
        return None
    return (
        ": it would really be called, many times over; put a stand-in for it, or give in from outside what it returns"
    )


def said(function: Any) -> str:
    """A function by the name that people know it by.

    >>> said(len), said(datetime.date.today)
    ('len', 'date.today')
    >>> import os
    >>> said(os.remove), said(os.path.exists)
    ('os.remove', 'os.path.exists')
    """
    owner = getattr(function, "__self__", None)
    if _is_call_of(function):
        return said(owner)
    module, dot, name = name_of(function).rpartition(".")
    return f"{_KNOWN_AS.get(module, module)}{dot}{name}"


def is_known(function: Any) -> bool:
    """Whether a function is Python's own, so that `refusal` knows it: of anybody else's C code nobody knows what it does."""
    return _module_of(function) in sys.stdlib_module_names


def _computes(function: Any, module: str, name: str) -> bool:
    if module == "builtins":
        return name not in _DOING_BUILTINS or not isinstance(getattr(function, "__self__", None), ModuleType)
    if module in _COMPUTING or module == "logging" or module not in sys.stdlib_module_names:
        # What is logged is left out.
        return True
    if module == "pathlib":
        return isinstance(function, type) or getattr(function, "__qualname__", "").startswith(("Pure", "_"))
    return name in _IN_PART.get(module, ())


def _module_of(function: Any) -> str:
    """The top-level package that a function belongs to."""
    owner = getattr(function, "__self__", None)
    kind: Any
    if owner is not None and not isinstance(owner, ModuleType):
        kind = owner if isinstance(owner, type) else type(owner)
        name = getattr(function, "__name__", "")
        # Of a class derived from C code's, what C code does is still that.
        return _top(next((each for each in kind.__mro__ if name in vars(each)), kind).__module__)
    kind = getattr(function, "__objclass__", None)
    module = getattr(function, "__module__", None) if kind is None else kind.__module__
    if module is None and isinstance(owner, ModuleType):
        module = owner.__name__
    if module is None and not isinstance(function, type):
        module = type(function).__module__
    return _top(module)


def _top(module: Any) -> str:
    return str(module or "builtins").partition(".")[0]


def _is_call_of(function: Any) -> bool:
    """Whether it is another function's call, such as `os.remove.__call__`."""
    return isinstance(function, MethodWrapperType) and function.__name__ == "__call__" and callable(function.__self__)


def _is_clock(function: Any, owner: Any) -> bool:
    return (
        isinstance(owner, type)
        and issubclass(owner, datetime.date)
        and getattr(function, "__name__", "") in ("now", "today", "utcnow")
    )
