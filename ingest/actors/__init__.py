"""One module each, one `async def run(...)` each."""
