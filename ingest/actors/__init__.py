"""The stages of the pipeline: one module each, one `async def run(...)` each.

A stage takes small settings values of its own and the ends that it works between, and emits reports. It knows of no
configuration, of no other stage, and of nobody who listens.
"""
