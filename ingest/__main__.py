"""`python -m ingest` is `homeiq-ingest`."""

from ingest.cli.main import main

main()
