"""Scenarios: programs to explore by name. Each is the model; beside it stands the same thing as plain Python on real threads."""
