"""Ordinary Python, no generators, as programs of the model.

find.py         from a function to its syntax tree
sites.py        where in the user's source something happens that a schedule can name
rewrite.py      the tree of a function → that of a generator function that means the same
shared.py       what threads share: objects as references, what is written of them as locations
walk.py         what each call, `with`, test and operator does, as operations; it stands on
    running.py, sharing.py                  one run of a body; what a thread made becomes shared
    attributes.py, containers.py, loops.py  what loads and stores do, builtin containers, loops
    locks.py, native.py, told.py            locks; C code; builtins that are told of shared objects
    generated.py, changes.py, operators.py, kinds.py, here.py
threads.py      setup and workers → a program; where its steps are in the source
described.py    a function, a method, a list of workers → a description of threads
"""
