"""Ordinary Python, no generators, as programs of the model.

sites.py        where in the user's source something happens that a schedule can name
"""
