"""Memory that is free and still ours: given back to the system, where the C library can."""

from __future__ import annotations

from contextlib import suppress


def give_back() -> None:
    """Give back what is free, all over the heap; the allocator itself does so only at its end. A few milliseconds.

    Registries and snapshot of a large home leave tens of megabytes between what is kept. Without glibc nothing happens.
    """
    import ctypes  # noqa: PLC0415  only where it is used

    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
