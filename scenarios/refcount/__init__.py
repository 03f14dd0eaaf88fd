"""The article's reference counts: threads share, copy and drop references to objects, and the last one frees the object."""

from __future__ import annotations

from typing import Annotated, Literal

from scenarios.refcount.biased import BUGS
from scenarios.refcount.sharing import ProtectionName, Sharing
from scenarios.refcount.works import WORKS
from simulator.errors import UsageError
from simulator.program import Program
from simulator.scenario import Range, scenario

__all__ = ["Sharing", "refcount"]


@scenario(summary="Threads share, copy and drop references; the last one frees the object.")
def refcount(
    threads: Annotated[int, Range(2, 4), "how many threads"] = 2,
    objects: Annotated[int, Range(1, 4), "how many objects they share"] = 1,
    work: Annotated[str, f"what each thread does: one of {', '.join(WORKS)}, or one for each with commas"] = "drop",
    protection: Annotated[ProtectionName, "how counts are protected"] = "none",
    order: Annotated[Literal["as-needed", "sorted"], "in which order a thread takes two objects' locks"] = "as-needed",
    handed: Annotated[bool, "biased: the first thread counted the references it handed out, not each its own"] = True,
    bug: Annotated[str, f"biased: a mistake to put in: {', '.join(BUGS)}"] = "none",
) -> Program:
    """Threads share references to objects. INCREF and DECREF are read, add and write; a DECREF that comes to 0 frees.

    Unprotected, an object is freed while somebody has a reference, freed twice, or never. With one lock for each object, with
    one for all, with atomic counts and with those of free-threaded CPython (biased) it is freed once, by the last one.
    """
    works = tuple(name.strip() for name in work.split(","))
    if len(works) == 1:
        works *= threads
    if len(works) != threads:
        raise UsageError(f"work names {len(works)} for {threads} threads; give one, or one for each")
    return Sharing(
        works,
        tuple("abcd"[:objects]),
        protection=protection,
        in_order=order == "sorted",
        handed=handed,
        bug=bug,
    ).program()
