"""The HTTP and WebSocket API, and the status page.

Everything here only looks at a pipeline: nothing in the pipeline waits for it or knows of it. A module with paths has a
sibling `…_paths` that describes them for the OpenAPI document.
"""
