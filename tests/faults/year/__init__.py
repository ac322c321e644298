"""A year of a small home in virtual time: a change a minute, a restart a day, an outage a week, in one process.

books   what the home did, and what became of it: every change once, as it was, at its time
life    one life of the service: its real pipeline and state file, everything inline
run     the home, the database and the days
looks   what must not grow: looked at month by month
"""
