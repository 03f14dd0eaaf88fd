"""Ways of choosing: one per file, all over the same two functions, `enabled` and `step`."""
