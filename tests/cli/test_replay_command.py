"""`simulator replay`: one interleaving, step by step."""

from __future__ import annotations

import pytest

from tests.cli.command_line import simulator
