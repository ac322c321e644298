"""A Home Assistant and a home that anyone can run.

It speaks the real WebSocket and REST protocol, with faults by script, in memory or on a port. `demo` and `simulate` start it,
and so do the tests; the service itself never imports it.
"""
