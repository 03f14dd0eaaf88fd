"""What runs on a real Python: units of work and requests, by real threads and processes, timed. A process of its own.

It reads one order, a JSON document, from standard input, and prints a line of JSON for each thing that it measured. It
knows nothing of predictions. Standard library alone, any CPython from 3.8 on: run by its path, it needs no package.

What a process costs depends on what its parent has imported, so nothing is imported here that is not needed.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

now = time.perf_counter


def work(count: int) -> None:
    """One unit of CPU-bound work: the article's loop."""
    # A number of its own: free-threaded Pythons count references to a shared one across the cores.
    last = int(str(count))
    number = 0
    while number < last:
        number += 1


# CPython 3.11 never makes a function fast whose first call is long: 1.6 times as slow for ever. A spawned process imports
# this file anew, so that its work is as fast as that of others.
for _ in range(20):
    work(3)


def request(port: int) -> None:
    """One HTTP request of the server on this machine. Raises OSError for a wrong answer."""
    import socket

    with socket.socket() as connection:
        connection.settimeout(30)
        # Not socket.create_connection: a fresh process would first import what it takes to look names up.
        connection.connect(("127.0.0.1", port))
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while True:
            part = connection.recv(4096)
            if not part:
                break
            answer += part
    if not answer.endswith(b"\r\n\r\nok"):
        raise OSError(f"the server answered {answer!r:.60}")


def nothing() -> None:
    """What a process does whose start alone is measured."""


def tell(**what: Any) -> None:
    """Print one thing that was measured."""
    print(json.dumps(what), flush=True)


# -- the server, a process of its own: in ours it would need our GIL


def serve(delay: float) -> None:
    """Answer each request after so many seconds, until standard input is closed."""
    import os
    import socketserver

    class Answer(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            asked = b""
            while b"\r\n\r\n" not in asked:
                part = self.request.recv(4096)
                if not part:
                    return
                asked += part
            time.sleep(delay)
            self.request.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")

    class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
        daemon_threads = True
        request_queue_size = 512

    with Server(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_address[1], flush=True)
        sys.stdin.read()
        os._exit(0)


def started_server(delay: float) -> Any:
    """The server's process and port."""
    import subprocess

    server = subprocess.Popen(
        [sys.executable, __file__, "serve", str(delay)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert server.stdout is not None
    port = server.stdout.readline()
    if not port:
        raise OSError("the server on this machine did not start")
    return server, int(port)


# -- one experiment


def timed(by: str, number: int, target: Any, argument: int, limit: float) -> float:
    """Seconds that so many calls take: one after the other, or each in a thread or process of its own, start to end."""
    began = now()
    if by == "single":
        for _ in range(number):
            target(argument)
        return now() - began
    if by == "threads":
        failed: list[BaseException] = []

        def run() -> None:
            try:
                target(argument)
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=run) for _ in range(number)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = now() - began
        if failed:
            raise failed[0]
        return took
    import multiprocessing

    context: Any = multiprocessing.get_context(by)
    processes = [context.Process(target=target, args=(argument,)) for _ in range(number)]
    try:
        for process in processes:
            process.start()
        for process in processes:
            process.join(max(0.0, began + limit - now()))
        took = now() - began
    finally:
        late = [process for process in processes if process.pid is not None and process.exitcode is None]
        for process in late:
            process.kill()
            process.join()
    if late:
        raise OSError(f"{len(late)} of {number} processes had not ended after {limit:g} s")
    # A process that died at once took no time, and did nothing.
    codes = [process.exitcode for process in processes if process.exitcode]
    if codes:
        raise OSError(f"{len(codes)} of {number} processes failed, with exit code {codes[0]}")
    return took


# -- orders


def calibrated_count(seconds: float) -> int:
    """How far `work` has to count to take about so long."""
    count, took = 1_000, 0.0
    while True:
        began = now()
        work(count)
        took = now() - began
        if took > seconds / 4:
            break
        count *= 4
    best = min(took, *(_took(work, count) for _ in range(3)))
    return max(1, int(count * seconds / best))


def _took(target: Any, argument: int) -> float:
    began = now()
    target(argument)
    return now() - began


def chunks(connection: Any, count: int, begin: float, end: float) -> None:
    """How often `work` is done between two times. Sent to `connection`."""
    done = 0
    while now() < begin:
        time.sleep(max(0.0, min(0.001, begin - now())))
    while now() < end:
        work(count)
        done += 1
    connection.send(done)
    connection.close()


def at_once(number: int, count: int, by: str, window: float) -> int:
    """How often `work` is done within so many seconds by so many processes together."""
    import multiprocessing

    context: Any = multiprocessing.get_context(by)
    begin = now() + (0.05 if by == "fork" else 1.0)
    pairs = [context.Pipe(duplex=False) for _ in range(number)]
    processes = [
        context.Process(target=chunks, args=(sending, count, begin, begin + window), daemon=True)
        for _, sending in pairs
    ]
    for process in processes:
        process.start()
    for _, sending in pairs:
        sending.close()
    total = 0
    for receiving, _ in pairs:
        if receiving.poll(begin + window + 10 - now()):
            total += receiving.recv()
    for process in processes:
        process.join(5)
    return total


def measure(order: dict[str, Any]) -> None:
    """Measure what predictions are made of (`costs`) and time experiments, in turn: when the machine slows down, all
    do."""
    count = order["count"] or calibrated_count(order["work"])
    tell(count=count)
    server, port = started_server(order["delay"])
    try:
        request(port)
        for by in order["methods"]:
            timed(by, 1, work, 1, order["limit"])
        for repeat in range(order["repeats"]):
            if order["costs"]:
                tell_costs(order, count, port)
            for workload, by, number in order["experiments"]:
                target, argument = (work, count) if workload == "cpu" else (request, port)
                seconds = timed(by, number, target, argument, order["limit"])
                tell(repeat=repeat, workload=workload, by=by, units=number, seconds=seconds)
    finally:
        server.kill()
        server.wait()


def tell_costs(order: dict[str, Any], count: int, port: int) -> None:
    """Measure once what each thing costs."""
    import multiprocessing

    alone = _took(work, count)
    tell(what="work", seconds=alone)
    cpu = time.thread_time()
    tell(what="request", seconds=_took(request, port))
    tell(what="request_cpu", seconds=time.thread_time() - cpu)
    tell(what="thread_start", seconds=timed("threads", 20, abs, 0, 10) / 20)
    for by in order["methods"]:
        process: Any = multiprocessing.get_context(by).Process(target=nothing)
        began = now()
        process.start()
        running = now()
        process.join(order["limit"])
        ended = now()
        if process.exitcode != 0:
            process.kill()
            raise OSError(f"a process started by {by} failed, with exit code {process.exitcode}")
        tell(what=f"{by}_start", seconds=running - began)
        tell(what=f"{by}_boot", seconds=ended - running)
    if order["cores"] > 1 and order["methods"]:
        small = max(1, count // 100)
        together = at_once(order["cores"], small, order["methods"][0], order["window"])
        alone = (alone + _took(work, count)) / 2 * small / count
        tell(what="capacity", seconds=together * alone / order["window"])


def convoy(order: dict[str, Any]) -> None:
    """Time requests of one thread, each a sleep, which gives the GIL back once, and some work, beside threads that
    compute."""
    count = calibrated_count(order["work"])
    for beside in order["beside"]:
        busy = Busy(beside)
        try:
            for _ in range(order["requests"]):
                began = now()
                time.sleep(order["delay"])
                work(count)
                tell(beside=beside, seconds=now() - began)
        finally:
            busy.end()


class Busy:
    """Threads that compute until they are told to end."""

    def __init__(self, number: int) -> None:
        self.going = True
        self.threads = [threading.Thread(target=self.compute, daemon=True) for _ in range(number)]
        for thread in self.threads:
            thread.start()

    def compute(self) -> None:
        number = 0
        while self.going:
            number += 1

    def end(self) -> None:
        self.going = False
        for thread in self.threads:
            thread.join()


def hello() -> dict[str, Any]:
    """Who this is, and what it can do: how processes can be started, how many cores it may use (64 at most)."""
    import multiprocessing
    import os
    import sysconfig

    asked = getattr(sys, "_is_gil_enabled", None)
    counted = getattr(os, "sched_getaffinity", None)
    return {
        "methods": [by for by in ("fork", "spawn") if by in multiprocessing.get_all_start_methods()],
        "cores": min(64, len(counted(0)) if counted else os.cpu_count() or 1),
        "gil": bool(asked()) if asked else not sysconfig.get_config_var("Py_GIL_DISABLED"),
        "switch_interval": sys.getswitchinterval(),
    }


def main() -> None:
    """One order, or the server."""
    if sys.argv[1:2] == ["serve"]:
        serve(float(sys.argv[2]))
        return
    line = sys.stdin.readline()
    if not line:
        return  # who started us was interrupted before there was an order
    order = json.loads(line)
    if order.get("switch_interval"):
        sys.setswitchinterval(order["switch_interval"])
    try:
        known = hello()
        tell(**known)
        order.update(known)
        {"hello": lambda _: None, "measure": measure, "convoy": convoy}[order["do"]](order)
    except Exception as error:
        tell(failed=f"{type(error).__name__}: {error}" if not isinstance(error, OSError) else str(error))
    tell(done=True)


if __name__ == "__main__":
    main()
