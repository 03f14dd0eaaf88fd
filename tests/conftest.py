"""Hypothesis profiles. The default one is deterministic, so that a test run says the same thing twice;
HYPOTHESIS_PROFILE=thorough draws new programs every time, and twenty times as many."""

from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, settings

FACTOR = {"default": 1, "thorough": 20}
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "default")

_QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]

settings.register_profile(
    "default", derandomize=True, deadline=None, database=None, print_blob=True, suppress_health_check=_QUIET
)
settings.register_profile(
    "thorough", derandomize=False, deadline=None, print_blob=True, suppress_health_check=_QUIET, max_examples=2000
)
settings.load_profile(PROFILE)

# For tests/plugin: pytest takes this from nothing below the first conftest.
pytest_plugins = ["pytester"]

# A shell in the background hands SIGINT down as ignored, and then no test of Ctrl-C would ever be interrupted.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
