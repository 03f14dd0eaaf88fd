"""The mutation check: break the search on purpose, one way after the other, and see which laws notice.

    python -m tests.mutation [PART OF A NAME ...]

Each mutation is put into a copy of the project, and the laws are run over it, two copies at a time. Prints a table of
mutations and the laws that caught them; exits with 1 when one was caught by none, or when the copy without a mutation is
not green.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutation.mutations import MUTATIONS, Mutation

ROOT = Path(__file__).resolve().parents[2]
LAWS = ("tests/laws/test_dpor.py", "tests/laws/test_traces.py", "tests/known_answers/test_dpor_counts.py")
SECONDS = 600
"""After which a copy that is still running is taken to hang, which is one way of being caught."""
AT_ONCE = 2

_NO_SHRINKING = """
from hypothesis import Phase

settings.register_profile("hasty", settings.get_profile("default"), phases=[Phase.explicit, Phase.generate])
settings.load_profile("hasty")
"""
"""At the end of the copy's conftest: that a law fails is enough, the smallest program is not asked for."""


def caught_by(mutation: Mutation | None) -> list[str]:
    """The first three tests that fail on a copy of the project with the mutation."""
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory)
        for part in ("simulator", "scenarios", "tests"):
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        with (copy / "tests" / "conftest.py").open("a", encoding="utf-8") as conftest:
            conftest.write(_NO_SHRINKING)
        if mutation is not None:
            (copy / mutation.file).write_text(mutation.applied(ROOT), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "--maxfail=3", "-p", "no:cacheprovider", *LAWS]
        environment = {**os.environ, "PYTHONPATH": str(copy), "HYPOTHESIS_PROFILE": "default"}
        running = subprocess.Popen(
            command,
            cwd=copy,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            said, _ = running.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.communicate()
            return [f"(did not end within {SECONDS} s)"]
        failed = [
            line.split(" ")[1].partition("::")[2] for line in said.splitlines() if line.startswith(("FAILED", "ERROR"))
        ]
        if not failed and running.returncode:
            raise RuntimeError(f"the tests did not run:\n{said}")
        return failed


def told(failed: list[str]) -> str:
    """The laws that failed, three of them at most; what is parametrised counts once."""
    laws = dict.fromkeys(name.partition("[")[0].removeprefix("test_").replace("_", " ") for name in failed)
    return "; ".join(laws) if laws else "NOTHING"


def main(wanted: list[str]) -> int:
    chosen = [each for each in MUTATIONS if not wanted or any(part in each.name for part in wanted)]
    survived = 0
    print("| mutation | caught by |\n|---|---|", flush=True)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        control = pool.submit(caught_by, None)
        for mutation, failed in zip(chosen, pool.map(caught_by, chosen), strict=True):
            print(f"| {mutation.name} | {told(failed)} |", flush=True)
            survived += not failed
    broken = control.result()
    print(f"{len(chosen) - survived} of {len(chosen)} caught; without a mutation, {len(broken)} tests fail")
    return int(bool(survived or broken))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
