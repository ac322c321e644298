"""A release made ready, up to but not including its publishing: versions, what changed, packages, what is in them, and an audit.

`scripts/release` runs it; the forge's workflow calls the same steps.
"""
