"""The same programs, and plain Python, on real `threading.Thread`s.

Three facts are kept apart here and never blended: what is *possible* in the model, what can be *forced* on real
threads, and what was *observed* in so many natural runs. This package simulates nothing by itself.

    baton.py       forces one schedule of a program's bodies on real threads, over real memory and real locks
    watched.py     stands in for `threading` in one module: real locks that notice a deadlock and unwind it
    free_run.py    lets plain Python run freely, once
    natural.py     lets it run n times, on any Python, where it can be watched and ended
    crosscheck.py  holds the three facts against each other
"""
