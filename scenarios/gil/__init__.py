"""The Global Interpreter Lock as a lock in virtual time: what threads and processes gain, predicted and measured.

`tasks` says what is to be done, `machine` does it in virtual time, `spans` and `timeline` show who held the GIL when.
`costs` are the few numbers that `calibrate` takes from a real machine, `experiments` and `closed_form` predict with
them, and `measure` and `compare` hold the predictions against real threads and processes. `simulator gil` is `command`.

Nothing is imported here, for the command line loads `command` only to list it.
"""
