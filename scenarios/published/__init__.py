"""Programs that papers and tools' test suites publish numbers for, each a scenario with its sizes as parameters.

One file for each family. A program is told here step by step as its source tells it and promises only what its source
promises; which numbers are known of it is written in `docs/published-programs.md` and held by `tests/known_answers`.
"""
