"""The soak: the real service for hours beside a simulated home and a real database that come and go, and what drifts.

home      the simulated home, a process of its own, that writes down what it does
database  VictoriaMetrics, or where it is not a sink that counts
service   one life of the service after another, and a sample of it every few seconds
days      what happens when, compressed in time
drift     does a quantity drift: pure
report    what a person reads
"""
