"""Detectors, one per file, and the one type of finding they all give."""
