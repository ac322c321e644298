from __future__ import annotations

import pytest

from ingest.core.spool_bound import warning


@pytest.mark.parametrize(("size", "wanted", "said"), [(9, 2048, True), (64, 2048, False), (9, 9, False), (8, 9, True)])
def test_a_bound_that_is_far_too_small_is_said(size: int, wanted: int, *, said: bool) -> None:
    assert bool(warning(size * 2**20, wanted * 2**20)) is said
