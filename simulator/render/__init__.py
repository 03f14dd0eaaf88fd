"""Turns results into text, diagrams and pages.

Renderers get values and give strings back; they compute no findings and print nothing. Only `picture` and `files`
write, and only where the caller says.
"""
