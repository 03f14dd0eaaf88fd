"""References: what can be loaded, and what each wrong one is told."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from simulator import loading
from simulator.errors import UsageError
from simulator.explore import count
from simulator.loading import load

GOOD = '''
from typing import Annotated
from simulator.ops import Pause
from simulator.program import Program
from simulator.scenario import Plain, Range, scenario

def body():
    yield Pause()

program = Program({"a": body}, name="just-one")

def build():
    """Two of them.

    At once.
    """
    return Program({"a": body, "b": body})

def many(threads: Annotated[int, Range(1, 9), "how many"] = 2):
    "As many as you like."
    return Program({f"t{n}": body for n in range(threads)})

@scenario(summary="A scenario.")
def some(threads: Annotated[int, Range(1, 9), "how many"] = 2) -> Program:
    return many(threads)

@some.as_plain
def plain_some(threads):
    return Plain(setup=list, workers=lambda state: {}, observe=lambda state: {}, namespace=globals())

def needs(threads):
    return program

def fails() -> Program:
    raise ValueError("not\\ntoday")

def misquoted(threads: "Nonsense" = 2):
    return program

def forgot():
    program

class Holder:
    inner = program

number = 3
'''


@pytest.fixture(autouse=True)
def import_state(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    def write(text: str, name: str = "mine.py") -> str:
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


def test_a_file_gives_a_program_a_scenario_or_a_function_that_returns_one(write: Callable[..., str]) -> None:
    path = write(GOOD)
    assert load(f"{path}:program").program().threads == ("a",)
    assert load(f"{path}:program").name == "just-one"
    assert load(f"{path}:build").program().threads == ("a", "b")
    assert load(f"{path}:build").summary == "Two of them."
    assert load(f"{path}:Holder.inner").program().threads == ("a",)
    some = load(f"{path}:some")
    assert some.program(threads=3).threads == ("t0", "t1", "t2")
    assert some.parameters[0].help == "how many"
    assert some.plain(threads=3) is not None
    assert load(f"{path}:program").plain() is None


def test_a_function_s_annotated_parameters_are_parameters(write: Callable[..., str]) -> None:
    many = load(f"{write(GOOD)}:many")
    assert [(parameter.name, parameter.default) for parameter in many.parameters] == [("threads", 2)]
    assert many.summary == "As many as you like."
    assert len(many.program().threads) == 2
    assert len(many.program(threads=5).threads) == 5
    with pytest.raises(UsageError, match="1 to 9"):
        many.program(threads=10)


def test_a_module_of_the_working_directory_can_be_named(
    write: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(GOOD, "my_module_of_programs.py")
    monkeypatch.chdir(tmp_path)
    assert load("my_module_of_programs:program").program().threads == ("a",)


def test_a_file_may_import_what_lies_beside_it_and_hides_no_module(write: Callable[..., str]) -> None:
    write("from simulator.ops import Pause\ndef body():\n    yield Pause()\n", "beside_it.py")
    path = write(
        "import json, beside_it\nfrom simulator.program import Program\n"
        "p = Program({'a': beside_it.body})\nassert json.dumps([1])",
        "json.py",
    )
    assert load(f"{path}:p").program().threads == ("a",)


def test_a_registered_name_is_found_by_entry_point(write: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    write(GOOD, "registered_here.py")
    sys.path.insert(0, str(Path(write(GOOD)).parent))
    entries = [
        importlib.metadata.EntryPoint(name, value, loading.GROUP)
        for name, value in [("some", "registered_here:some"), ("broken", "registered_here:nothing")]
    ]
    monkeypatch.setattr(loading, "entry_points", lambda *, group: [e for e in entries if e.group == group])
    assert loading.registered() == ("broken", "some")
    assert load("some").program(threads=1).threads == ("t0",)
    with pytest.raises(UsageError, match=r"^there is no scenario 'soem'; did you mean 'some'\?$"):
        load("soem")
    with pytest.raises(UsageError, match=r"scenario 'broken' .* cannot be loaded: AttributeError"):
        load("broken")


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("prgram", r"mine\.py has no attribute 'prgram'; did you mean 'program'\?$"),
        ("zzzz", r"mine\.py has no attribute 'zzzz'$"),
        ("number", r"mine\.py:number is 3, expected a Scenario, a Program, a Plain or a function that returns one$"),
        ("Holder", r"mine\.py:Holder is a class without methods of its own, expected what threads do$"),
        ("Holder.iner", r"mine\.py: class Holder has no attribute 'iner'; did you mean 'inner'\?$"),
        ("needs", r"mine\.py:\d+: parameter 'threads' of scenario 'needs' has no default; give it one$"),
        ("misquoted", r"mine\.py:\d+: the annotations of .* cannot be read: NameError"),
    ],
)
def test_a_wrong_attribute_is_told_in_one_line(write: Callable[..., str], attribute: str, message: str) -> None:
    path = write(GOOD)
    with pytest.raises(UsageError, match=message) as caught:
        load(f"{path}:{attribute}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("fails", r"^.*mine\.py:\d+: .*:fails\(\) raised ValueError: not today$"),
        ("forgot", r"returned None, expected a Program; is a 'return' missing\?$"),
        ("body", r"returned a generator, expected a Program; this is a thread's body"),
    ],
)
def test_a_function_that_gives_no_program_is_told_in_one_line(
    write: Callable[..., str], attribute: str, message: str
) -> None:
    loaded = load(f"{write(GOOD)}:{attribute}")
    with pytest.raises(UsageError, match=message) as caught:
        loaded.program()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\ndef f(:\n", r"mine\.py:2: does not compile: "),
        ("x = 1\n\nraise KeyError('k')", r"mine\.py:3: cannot be imported: KeyError: 'k'$"),
        ("import sys\nsys.exit(3)", r"mine\.py:2: cannot be imported: SystemExit: 3$"),
        (
            "import no_such_thing",
            r"mine\.py:1: cannot be imported: ModuleNotFoundError: No module named 'no_such_thing'$",
        ),
        ("import json\njson.loads('{')", r"mine\.py:2: cannot be imported: JSONDecodeError"),
        ("x = '\0'", r"mine\.py"),
    ],
)
def test_a_file_that_cannot_be_imported_names_its_line(write: Callable[..., str], text: str, message: str) -> None:
    path = write(text)
    with pytest.raises(UsageError, match=message) as caught:
        load(f"{path}:x")
    assert "\n" not in str(caught.value)
    assert "mine" not in sys.modules


def test_a_missing_file_a_directory_and_a_file_without_a_name_are_told(
    write: Callable[..., str], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"none\.py: no such file$"):
        load(f"{tmp_path}/none.py:x")
    with pytest.raises(UsageError, match=r"is a directory, expected a Python file$"):
        load(f"{tmp_path}:x")
    with pytest.raises(UsageError, match=r"as .*mine\.py:NAME; it has program, some$"):
        load(write(GOOD))
    with pytest.raises(UsageError, match=r"mine\.txt: is not a Python file$"):
        load(write(GOOD, "mine.txt") + ":program")


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("no_such_module_at_all:x", r"^there is no module 'no_such_module_at_all' "),
        ("json.no_such:x", r"^there is no module 'json\.no_such' "),
        ("json:dmups", r"^json has no attribute 'dmups'; did you mean 'dumps'\?$"),
        (":x", "cannot be read"),
        ("x:", "cannot be read"),
        ("", "there is no scenario ''"),
    ],
)
def test_a_wrong_module_or_reference_is_told_in_one_line(reference: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        load(reference)
    assert "\n" not in str(caught.value)


def test_a_module_with_a_mistake_in_it_names_its_line(
    write: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("x = 1\ndef f(:\n", "does_not_compile.py")
    write("import no_such_thing", "needs_another.py")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"does_not_compile\.py:2: module 'does_not_compile' cannot be imported"):
        load("does_not_compile:x")
    with pytest.raises(
        UsageError, match=r"needs_another\.py:1: module 'needs_another' cannot be imported: ModuleNotFound"
    ):
        load("needs_another:x")


def test_an_unknown_parameter_is_told_with_the_nearest(write: Callable[..., str]) -> None:
    path = write(GOOD)
    with pytest.raises(UsageError, match=r"no parameter 'thread'; did you mean 'threads'\?"):
        load(f"{path}:many").program(thread=2)
    with pytest.raises(UsageError, match="no parameter 'thread'"):
        load(f"{path}:program").program(thread=2)


def test_a_method_and_its_class_come_from_one_reading_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "counts.py"
    file.write_text(
        "import threading\n"
        "class Counter:\n"
        "    def __init__(self):\n"
        "        self.count, self.lock = 0, threading.Lock()\n"
        "    def add(self):\n"
        "        with self.lock:\n"
        "            self.count += 1\n"
    )
    plain = load(f"{file}:Counter.add").plain(threads=2)
    assert plain is not None
    state = plain.setup()
    (worker, _) = plain.workers(state).values()
    assert type(state).add.__globals__ is worker.func.__globals__  # type: ignore[attr-defined]


PLAIN = """
import functools, simulator
stock = 3

def buy():
    global stock
    stock -= 1
    return True

class Counter:
    total = 0

    def __init__(self):
        self.count = 0

    @staticmethod
    def add_to_total():
        Counter.total += 1

    @classmethod
    def add_to_all(cls):
        cls.total += 1
        return cls

    def add(self, by=1):
        self.count += by
        return self

    @functools.lru_cache
    def cached(self):
        return 1

    def needs(self, amount):
        pass

counter = Counter()
bound = counter.add
given = functools.partial(counter.add, 2)
partly = functools.partial(buy)
unnamed = lambda: buy()
in_c = len
"""


@pytest.mark.parametrize(
    ("attribute", "outcomes"),
    [
        ("buy", {"stock=1", "stock=2"}),
        ("partly", {"stock=1", "stock=2"}),
        ("unnamed", {"stock=1", "stock=2"}),
        ("Counter.add", {"counter.count=1", "counter.count=2"}),
        ("Counter.add_to_total", {"Counter.total=1", "Counter.total=2"}),
        ("Counter.add_to_all", {"Counter.total=1", "Counter.total=2"}),
        ("bound", {"counter.count=1", "counter.count=2"}),
        ("given", {"counter.count=2", "counter.count=4"}),
    ],
)
def test_whatever_makes_no_program_is_code_to_be_explored_and_never_called(
    write: Callable[..., str], attribute: str, outcomes: set[str]
) -> None:
    program = load(f"{write(PLAIN)}:{attribute}").program()
    assert {" ".join(f"{name}={value}" for name, value in each.memory) for each in count(program).outcomes} == outcomes
    module = sys.modules["mine"]
    assert (module.stock, module.counter.count, module.Counter.total) == (3, 0, 0)


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("Counter", r"mine\.py:Counter is a class; name a method: .*:Counter\.add_to_total, .*:Counter\.add, "),
        ("in_c", r"mine\.py:in_c is C code, len\(\), which cannot be followed; name a Python function$"),
        ("Counter.needs", r"mine\.py:\d+: Counter\.needs needs an argument 'amount', and nobody says which: "),
    ],
)
def test_what_threads_cannot_do_is_told_in_one_line(write: Callable[..., str], attribute: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load(f"{write(PLAIN)}:{attribute}").program()


@pytest.mark.parametrize(
    "text",
    [
        "def made() -> 'Program':\n    return globals()['of']()",
        "def made():\n    return of()",
        "def made():\n    from simulator import Program\n    return Program({'a': body})",
        "def made():\n    import simulator\n    return simulator.Program({'a': body})",
        "made = functools.partial(of)",
        "made = Maker().make",
        "def made():\n    return Maker().make()",
        "class Maker2:\n    make = staticmethod(of)\n\nmade = Maker2.make",
        "@functools.wraps(of)\ndef made():\n    return of()",
        "def made():\n    return simulator.Plain(list, lambda state: {'a': state.clear})",
    ],
)
def test_what_makes_a_program_is_known_by_what_it_names(write: Callable[..., str], text: str) -> None:
    start = (
        "import functools, simulator\n"
        "def body():\n    yield simulator.Pause()\n"
        "def of():\n    return simulator.Program({'a': body})\n"
        "class Maker:\n    def make(self):\n        return of()\n"
    )
    assert load(f"{write(start + text)}:made").program().threads == ("a",)


# -- files that know each other

CIRCLE = {
    "first.py": "import second\nn = 0\ndef go():\n    global n\n    n += 1\n    second.go()\n",
    "second.py": "import first\nm = 0\ndef go():\n    global m\n    m += first.n\n",
}


def test_files_that_import_one_another_are_there_once(write: Callable[..., str]) -> None:
    paths = {name: write(text, name) for name, text in CIRCLE.items()}
    for _ in range(2):
        program = load(f"{paths['first.py']}:go").program()
        assert list(program.memory) == ["n", "second.m"]
        assert max(dict(each.memory)["second.m"] for each in count(program).outcomes) == 4
    assert load(f"{paths['second.py']}:go").program().threads == ("t0", "t1")


def test_a_file_of_a_package_is_a_part_of_it(tmp_path: Path) -> None:
    shop = tmp_path / "shop_of_tests"
    shop.mkdir()
    (shop / "__init__.py").write_text("")
    (shop / "prices.py").write_text("n = 0\n")
    (shop / "store.py").write_text("from . import prices\ndef go():\n    prices.n += 1\n")
    (shop / "beside.py").write_text("import prices\ndef go():\n    prices.n += 1\n")
    for name in ("store", "beside"):
        assert len(count(load(f"{shop}/{name}.py:go").program()).outcomes) == 2


def test_a_file_that_was_changed_is_loaded_anew_with_what_it_imports(write: Callable[..., str]) -> None:
    path = write("from beside_changing import n\ndef go():\n    n\n", "changing_file.py")
    write("n = 1\n", "beside_changing.py")
    assert loading.find(f"{path}:n") == 1
    write("n = 234\n", "beside_changing.py")
    assert loading.find(f"{path}:n") == 234
