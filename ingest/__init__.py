"""homeiq-ingest: the database tells exactly what the home did."""

__version__ = "0.1.0"
