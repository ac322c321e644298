"""homeiq-ingest: the database tells exactly what the home did.

The package is divided into rooms by the effect that code may have; `docs/explanation/architecture.md` says which, and who
may import whom. `__version__` is the one place of the version. It is a program, not a library for others to import.
"""

__version__ = "0.1.0"
