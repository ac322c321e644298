import copy
import json
import pickle

import attrs
import pytest

from ingest.core.secret import MASK, Secret, masked


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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nobody knows Bearer {}.", "nobody knows Bearer ********."),
        ("'{0}' and {0}", "'********' and ********"),
        ("?token=a%2Fsecret%2Bof%20these%20tests%3D%3D&b", "?token=********&b"),
        ("nothing of the kind", "nothing of the kind"),
    ],
)
def test_what_others_say_is_shown_without_it(text: str, shown: str) -> None:
    known = Secret("a/secret+of these tests==")
    for said in (text.format(known.reveal()), text.format(known.reveal().upper())):
        assert masked(said) == shown


def test_the_longer_of_two_is_found_and_a_short_one_is_an_ordinary_word() -> None:
    Secret("one-and-only"), Secret("one-and-only-and-more"), Secret("kitchen")
    assert masked("one-and-only-and-more, one-and-only, kitchen") == f"{MASK}, {MASK}, kitchen"


def test_of_ever_new_secrets_the_latest_are_known() -> None:
    made = [f"{number:010}-of-many" for number in range(300)]
    for text in made:
        Secret(text)
    hidden = [text for text in made if masked(text) == MASK]
    assert hidden == made[-256:]
    assert masked(f"{made[-1]} {Secret(made[0]).reveal()}") == f"{MASK} {MASK}"


def test_a_secret_that_is_read_again_is_not_forgotten_for_those_that_changed_meanwhile() -> None:
    for number in range(300):
        Secret("of-the-database"), Secret(f"{number:010}-of-home-assistant")
    assert masked("of-the-database") == MASK
