"""Trio without homes or databases: links, lanes, cells, supervision, signals."""
