"""Code that cannot be followed: each function says in its docstring what is said of it, and marks the line where."""

# ruff: noqa

from __future__ import annotations

import array
import asyncio
import contextlib
import copy
import ctypes
import enum
import functools
import gc
import itertools
import json
import logging
import os
import pathlib
import queue
import random
import re
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime


class Upside:
    """A descriptor."""

    def __get__(self, instance, owner):
        return 1

    def __set__(self, instance, value):
        pass


class State:
    """What is shared."""

    turned = Upside()

    def __init__(self):
        self.n = 0
        self.xs = [3, 1]
        self.d = {}
        self.event = threading.Event()
        self.condition = threading.Condition()
        self.semaphore = threading.Semaphore(1)
        self.barrier = threading.Barrier(1)
        self.queue = queue.Queue()
        self.simple = queue.SimpleQueue()
        self.local = threading.local()
        self.lock = threading.Lock()
        self.random = random.Random(1)
        self.child = Child()
        self.numbers = itertools.count()
        self.typed = WithTyped()
        self.error = ValueError("x")
        self.holding = ValueError([1])

    @functools.cached_property
    def cached(self):
        return self.n

    def generate(self):
        yield self.n  # here

    @contextlib.contextmanager
    def managed(self):
        yield self.n  # here

    @functools.lru_cache
    def remembered(self):
        self.n += 1
        return self.n

    @functools.singledispatchmethod
    def dispatched(self, x):
        return x


class Child:
    """A shared object with an order."""

    def __init__(self):
        self.value = 1

    def __lt__(self, other):
        return self.value < other.value


class Nosy:
    """Looks at each attribute itself."""

    def __init__(self):
        self.value = 1

    def __getattribute__(self, name):
        return object.__getattribute__(self, name)


class Meta(type):
    """A metaclass with a call of its own."""

    def __call__(cls, *arguments):
        return super().__call__(*arguments)


class Made(metaclass=Meta):
    """Its instance."""


def generator(state):
    """a generator"""
    for x in state.generate():
        state.n = x


def generator_of_its_own(state):
    """a generator"""

    def inner():
        yield 1  # here

    for x in inner():
        state.n = x


def async_function(state):
    """async"""

    async def inner():  # here
        return 1

    inner()


def class_inside(state):
    """class"""

    class Inner:  # here
        pass


def evaluates(state):
    """eval()"""
    state.n = eval("1 + 1")  # here


def looks_at_locals(state):
    """locals()"""
    state.n = len(locals())  # here


def looks_at_dict(state):
    """__dict__"""
    state.__dict__["n"] = 1  # here


def looks_at_vars(state):
    """vars()"""
    vars(state)["n"] = 1  # here


def c_code_with_shared(state):
    """_json"""
    json.dumps(state.child)  # here


def c_code_with_shared_container(state):
    """array"""
    state.xs.append(1)
    array.array("i", state.xs)  # here


def copies(state):
    """copy"""
    state.child = copy.deepcopy([state.child])  # here


def c_code_that_compares(state):
    """C code"""
    state.n = sorted([state.child, Child(), state.child])  # here


def shared_callback(state):
    """a function"""
    state.callback = lambda: 1  # here


def descriptor(state):
    """descriptor"""
    state.n = state.turned  # here


def sets_descriptor(state):
    """descriptor"""
    state.turned = 5  # here


def cached_property(state):
    """descriptor"""
    state.n = state.cached  # here


def cached_function(state):
    """functools"""
    state.n = state.remembered()  # here


def dispatched_function(state):
    """descriptor"""
    state.n = state.dispatched(1)  # here


def waits_for_event(state):
    """threading.Event"""
    state.event.wait()  # here


def sets_event(state):
    """threading.Event"""
    state.event.set()  # here


def waits_for_condition(state):
    """threading.Condition"""
    with state.condition:  # here
        state.n += 1


def takes_semaphore(state):
    """threading.Semaphore"""
    with state.semaphore:  # here
        state.n += 1


def waits_at_barrier(state):
    """threading.Barrier"""
    state.barrier.wait()  # here


def uses_local(state):
    """local"""
    state.local.x = 1  # here


def reads_local(state):
    """local"""
    state.n = state.local.x  # here


def random_seeded(state):
    """random"""
    random.Random(5).random()  # here


def c_function_that_calls_back(state):
    """a function"""
    state.n = re.sub("a", lambda found: str(state.n), "banana")  # here


def makes_event(state):
    """threading.Event"""
    threading.Event()  # here


def starts_thread(state):
    """threading.Thread"""
    threading.Thread(target=print).start()  # here


def starts_timer(state):
    """threading.Timer"""
    threading.Timer(1, print)  # here


def makes_queue(state):
    """queue.Queue"""
    queue.Queue()  # here


def puts_into_queue(state):
    """queue.Queue"""
    state.queue.put(1)  # here


def puts_into_simple_queue(state):
    """SimpleQueue"""
    state.simple.put(1)  # here


def starts_pool(state):
    """ThreadPoolExecutor"""
    with ThreadPoolExecutor() as pool:  # here
        pool.submit(print)


def opens_socket(state):
    """socket"""
    socket.create_connection(("localhost", 1))  # here


def makes_socket(state):
    """socket"""
    socket.socket()  # here


def runs_process(state):
    """subprocess"""
    subprocess.run(["true"])  # here


def runs_tasks(state):
    """asyncio"""
    asyncio.run(None)  # here


def opens_file(state):
    """open"""
    with open("/dev/null") as file:  # here
        file.read()


def asks(state):
    """input"""
    state.n = input()  # here


def reads_clock(state):
    """clock"""
    state.n = time.time()  # here


def reads_monotonic_clock(state):
    """clock"""
    state.n = time.monotonic()  # here


def reads_date(state):
    """clock"""
    state.n = datetime.now()  # here


def draws(state):
    """random"""
    state.n = random.random()  # here


def draws_int(state):
    """random"""
    state.n = random.randint(1, 5)  # here


def shuffles(state):
    """random"""
    random.shuffle(state.xs)  # here


def draws_from_its_own(state):
    """random"""
    state.n = state.random.random()  # here


def asks_whether_locked(state):
    """locked"""
    if state.lock.locked():  # here
        state.n = 1


def with_of_generator(state):
    """a generator"""
    with state.managed():
        state.n += 1


def calls_back(state):
    """a function"""
    sorted(state.xs, key=functools.cmp_to_key(lambda a, b: state.n))  # here


def makes_class(state):
    """class"""
    type("Made", (), {})  # here


def metaclass(state):
    """metaclass"""
    Made()  # here


def nosy(state):
    """__getattribute__"""
    state.n = Nosy().value  # here


def identity_of_private(state):
    """id()"""
    state.d[id([])] = 1  # here


def endless(state):
    """without touching"""
    while True:  # here
        pass


def endless_for(state):
    """without touching"""
    for x in iter(int, 1):  # here
        pass


def recursive(state, depth=0):
    """deeply"""
    return recursive(state, depth + 1)  # here


def starred_exception(state):
    """TryStar"""
    try:  # here
        state.n = 1
    except* ValueError:
        pass


def deletes_global(state):
    """shared"""
    global counted
    del counted  # here


def swallows(state):
    """clock"""
    try:
        state.n = time.time()  # here
    except Exception:
        state.n = 5
    except:
        state.n = 6
    finally:
        return


counted = 0


def counts_in_a_function(state):
    """of a function"""
    counts_in_a_function.calls = 1  # here


class Colour(enum.Enum):
    """A colour."""

    RED = 1


def paints(state):
    """of a Colour"""
    Colour.RED.seen = True  # here


def takes_the_next(state):
    """for its next item"""
    state.n = next(state.numbers)  # here


def goes_through_numbers(state):
    """has a state of its own"""
    for each in state.numbers:  # here
        state.n = each


class Noisy:
    """It says good-bye."""

    def __del__(self):
        print("bye")


def makes_noise(state):
    """__del__"""
    Noisy()  # here


def looks_into_a_class(state):
    """the __dict__ of Noisy"""
    state.n = len(Noisy.__dict__)  # here


def looks_into_a_module(state):
    """the __dict__ of threading"""
    state.n = threading.__dict__["Lock"]  # here


def chains_what_is_made_lazily(state):
    """make a list of it first"""
    state.n = len(list(itertools.chain((each for each in state.xs), [1])))  # here


class Typed:
    """A descriptor that keeps its value in the instance's dict, by its own name."""

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, instance, owner):
        return instance.__dict__[self.name] * 2

    def __set__(self, instance, value):
        instance.__dict__[self.name] = value


class WithTyped:
    """It has one."""

    x = Typed()

    def __init__(self):
        self.x = 1


def data_descriptor_on_load(state):
    """descriptor"""
    state.n = state.typed.x  # here


def changes_an_exception_that_others_know(state):
    """that others know"""
    state.error.code = 5  # here


def changes_an_exception_that_it_shared(state):
    """that others know"""
    error = ValueError()
    state.d["e"] = error
    error.code = 5  # here


def raises_what_holds_a_shared_list(state):
    """holds more than values"""
    raise state.holding  # here


def catches_into_a_global(state):
    """shared"""
    global counted
    try:
        state.n = 1
    except ValueError as counted:  # here
        pass


def shares_a_function_by_a_global(state):
    """a function"""
    global counted

    def counted():  # here
        pass


def asks_which_iterator(state):
    """which kind of iterator"""
    state.n = type(iter(state.xs)) is list  # here


def formats_a_shared_object(state):
    """formats"""
    state.n = "%s" % state.child  # here


def formats_shared_lists(state):
    """formats"""
    state.n = "%s %r" % (1, [state.xs])  # here


def asks_an_iterator(state):
    """of an iterator"""
    (x for x in state.xs).send(None)  # here


def asks_for_the_length_of_nothing(state):
    """len with arguments"""
    state.n = len()  # here


def runs_command(state):
    """os.system"""
    os.system("exit 1")  # here


def reads_of_a_command(state):
    """os.popen"""
    state.n = os.popen("exit 1").read()  # here


def removes_file(state):
    """os.remove"""
    os.remove("no such file")  # here


def ends_the_process(state):
    """os._exit"""
    os._exit(3)  # here


def aborts_the_process(state):
    """os.abort"""
    os.abort.__call__()  # here


def kills_the_process(state):
    """os.getpid"""
    os.kill(os.getpid(), signal.SIGTERM)  # here


def waits_for_a_signal(state):
    """signal.pause"""
    signal.pause()  # here


def reads_of_a_pipe(state):
    """os.read"""
    os.read(0, 1)  # here


def reads_any_memory(state):
    """ctypes.string_at"""
    ctypes.string_at(0)  # here


def writes_file_by_its_path(state):
    """pathlib.Path.write_text"""
    pathlib.Path("no such folder/file").write_text("x")  # here


def asks_for_the_folder(state):
    """pathlib"""
    state.n = pathlib.Path.cwd()  # here


def looks_for_file(state):
    """os.path.exists"""
    state.n = os.path.exists("no such file")  # here


def writes_the_environment(state):
    """would really be called"""
    os.environ["A_NAME_OF_THE_TESTS"] = "1"  # here


def collects_garbage(state):
    """gc.collect"""
    gc.collect()  # here


def runs_text_by_another_name(state):
    """exec"""
    by_another_name("1 / 0")  # here


def gives_c_code_what_acts(state):
    """os.remove"""
    state.n = len(list(itertools.starmap(os.remove, [("no such file",)])))  # here


by_another_name = exec
