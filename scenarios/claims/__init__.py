"""The article's claims, one by one: what the model says of each, what this machine says, and what to make of it.

claim.py       what a claim is, and what speaks for or against it
references.py  the claims about reference counts
counters.py    the claims about the counter
banks.py       the claims about the bank
work.py        the claims about threads and processes at work
command.py     `simulator claims`
"""
