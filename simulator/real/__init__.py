"""The same programs, and plain Python, on real `threading.Thread`s.

Three facts are kept apart here and never blended: what is *possible* in the model, what can be *forced* on real
threads, and what was *observed* in so many natural runs. This package simulates nothing by itself.

    forced.py      what real threads did when they were forced, as values
    unwinding.py   how threads that do not come back are ended
    baton.py       forces one schedule of a program's bodies on real threads, over real memory and real locks
    bytecodes.py   at which instruction a thread is stopped before what a site says has happened
    hooks.py       calls us before these instructions: tracing up to 3.11, `sys.monitoring` from 3.12
    stand_ins.py   locks and pauses that ask before they do anything
    force.py       forces one schedule of plain code on real threads, bytecode by bytecode
    watched.py     stands in for `threading` in one module: real locks that notice a deadlock and unwind it
    free_run.py    lets plain Python run freely, once
    natural.py     lets it run n times, on any Python, where it can be watched and ended
    crosscheck.py  holds the three facts against each other
"""
