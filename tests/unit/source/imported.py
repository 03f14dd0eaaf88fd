"""A module that the functions of test_imports.py import when they run."""


class Stock:
    def __init__(self) -> None:
        self.n = 0


STOCK = Stock()
NUMBER = 0


def bump() -> None:
    global NUMBER
    NUMBER += 1


def __getattr__(name: str) -> int:
    if name == "made_up":
        return NUMBER
    raise AttributeError(name)
