import copy
import json
import pickle

import attrs
import pytest

from ingest.core.secret import Secret


@attrs.frozen
class Holder:
    token: Secret


def test_only_reveal_shows_it() -> None:
    secret = Secret("hunter2")
    assert secret.reveal() == "hunter2"
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r}",
        str(Holder(secret)),
        str(attrs.asdict(Holder(secret))),
    ]
    assert all("hunter2" not in each for each in shown)


def test_it_compares_by_its_text() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("\udcff")}) == 2
    assert Secret("\udcff") == Secret("\udcff")


def test_it_is_not_written_anywhere() -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Secret("a"))
    with pytest.raises(TypeError, match="not pickled"):
        copy.copy(Secret("a"))
    with pytest.raises(TypeError):
        json.dumps(Secret("a"))
