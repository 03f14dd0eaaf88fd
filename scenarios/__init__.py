"""Scenarios: programs to explore by name. Beside each model stands the same thing as plain Python on real threads."""

import sys

if sys.argv[:1] == ["-m"]:
    # `python -m scenarios.…`, before its module is imported: from here on Ctrl-C is no traceback.
    from scenarios import interrupted

    sys.excepthook = interrupted.hook
