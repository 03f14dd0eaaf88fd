"""How fast, in ratios within one run. `pytest benchmarks` for each by itself, `python -m benchmarks.report` for one table."""
