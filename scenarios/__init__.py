"""Scenarios: programs to explore by name. Beside each model stands the same thing as plain Python on real threads."""
