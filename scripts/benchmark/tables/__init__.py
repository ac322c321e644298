"""The tables of the bench, each a module that measures and renders. `TABLES` has them by name, in the order of a run.

A module's `table(size)` measures everything, says on standard error what it does, and returns the pieces to be shown:
tables, sentences, and the verdicts on the bounds that the table's figures are held to.
"""
