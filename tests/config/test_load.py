import os
import pwd
from pathlib import Path

import pytest

from ingest.config import files
from ingest.config.files import passwd_home  # itself, for which every test has another
from ingest.config.layers import default_layer
from ingest.config.load import load
from ingest.config.settings import KEYS, Settings
from ingest.core.secret import Secret
from tests.config.places import TOKEN, problems, toml


def test_nothing_given_is_the_defaults() -> None:
    loaded = load(None, {}, {})
    assert loaded.settings == Settings()
    assert set(loaded.origins) == set(KEYS)
    assert set(loaded.origins.values()) == {"default"}
    assert loaded.warnings == ()


def test_each_source_overrides_the_one_before(tmp_path: Path) -> None:
    file = toml(tmp_path, 'home = "file"\n[batch]\nsize = 1\ntimeout = "1m"\n[log]\nlevel = "error"\n')
    environ = {"HOMEIQ_INGEST_BATCH_SIZE": "2", "LOG_LEVEL": "DEBUG"}
    loaded = load(file, environ, {"log.level": "critical", "log.format": None})
    settings = loaded.settings
    assert (settings.home, settings.batch.size, settings.batch.timeout, settings.log.level) == (
        "file",
        2,
        60.0,
        "critical",
    )
    assert loaded.file == file
    assert loaded.origins["home"] == f"file {file}"
    assert loaded.origins["batch.size"] == "environment HOMEIQ_INGEST_BATCH_SIZE"
    assert loaded.origins["log.level"] == "command line"
    assert loaded.origins["log.format"] == "default"


def test_an_existing_homeiq_environment_is_understood() -> None:
    environ = {
        "HA_HTTP_URL": "http://192.168.1.86:8123",
        "HA_WS_URL": "ws://192.168.1.86:8123/api/websocket",
        "HA_TOKEN": TOKEN,
        "NABU_CASA_URL": "https://abc.ui.nabu.casa",
        "NABU_CASA_TOKEN": TOKEN,
        "INFLUXDB_URL": "http://influxdb:8086",
        "INFLUXDB_TOKEN": "homeiq-token",
        "INFLUXDB_MAX_PENDING_POINTS": "20000",
        "INFLUXDB_OVERFLOW_STRATEGY": "drop_new",
        "BATCH_SIZE": "100",
        "BATCH_TIMEOUT": "5.0",
        "WEBSOCKET_MAX_RETRIES": "-1",
        "WEATHER_API_KEY": "of another service",
        "ENTITY_FILTER_CONFIG": "",
        "CIRCUIT_BREAKER_THRESHOLD": "7",
    }
    loaded = load(None, environ, {}, for_running=True)
    settings = loaded.settings
    assert [each.url for each in settings.home_assistant.candidates()] == [
        "ws://192.168.1.86:8123/api/websocket",
        "wss://abc.ui.nabu.casa/api/websocket",
    ]
    assert settings.store_kind == "influxdb"
    assert (settings.intake.events, settings.intake.overflow) == (20000, "drop_newest")
    assert (settings.batch.size, settings.batch.timeout) == (100, 5.0)
    assert settings.home_assistant.breaker_threshold == settings.influxdb.breaker_threshold == 7
    assert loaded.warnings == ()


def test_our_own_name_comes_before_homeiqs_and_a_contradiction_is_said() -> None:
    loaded = load(
        None,
        {"HOMEIQ_INGEST_BATCH_SIZE": "1", "BATCH_SIZE": "many", "HA_URL": "http://a", "HA_HTTP_URL": "http://b"},
        {},
    )
    assert loaded.settings.batch.size == 1
    assert loaded.settings.home_assistant.url == "ws://a/api/websocket"
    assert loaded.warnings == (
        "HA_HTTP_URL is not used for home_assistant.url: HA_URL says otherwise and comes first.",
        "BATCH_SIZE is not used for batch.size: HOMEIQ_INGEST_BATCH_SIZE says otherwise and comes first.",
    )


def test_a_bare_api_key_is_ours_only_beside_data_api(tmp_path: Path) -> None:
    bare = {"API_KEY": "k1"}
    assert load(None, bare, {}).settings.data_api.api_key is None
    assert load(None, bare | {"DATA_API_URL": "http://d"}, {}).settings.data_api.api_key == Secret("k1")
    assert load(None, bare, {"data_api.url": "http://d"}).settings.data_api.api_key == Secret("k1")
    file = toml(tmp_path, '[data_api]\nurl = "http://d"\n')
    assert load(file, bare, {}).settings.data_api.api_key == Secret("k1")
    better = load(file, bare | {"DATA_API_KEY": "k2", "DATA_API_API_KEY": "k3"}, {})
    assert better.settings.data_api.api_key == Secret("k3")
    key = toml(tmp_path, "k4\n", "key")
    assert load(file, bare | {"DATA_API_KEY_FILE": str(key)}, {}).settings.data_api.api_key == Secret("k4")


def test_variables_that_kubernetes_makes_of_a_service_of_our_name_are_passed_over(tmp_path: Path) -> None:
    file = toml(tmp_path, "")
    theirs = {
        "HOMEIQ_INGEST_SERVICE_HOST": "10.96.7.3",
        "HOMEIQ_INGEST_SERVICE_PORT": "8001",
        "HOMEIQ_INGEST_SERVICE_PORT_HTTP": "8001",
        "HOMEIQ_INGEST_PORT": "tcp://10.96.7.3:8001",
        "HOMEIQ_INGEST_PORT_8001_TCP": "tcp://[fd00::7]:8001",
        "HOMEIQ_INGEST_PORT_8001_TCP_PROTO": "tcp",
        "HOMEIQ_INGEST_PORT_8001_TCP_PORT": "8001",
        "HOMEIQ_INGEST_PORT_8001_TCP_ADDR": "10.96.7.3",
    }
    load(file, theirs, {})
    slips = {"HOMEIQ_INGEST_PORT": "8001", "HOMEIQ_INGEST_SERVICE_HOST": "my host", "HOMEIQ_INGEST_SERVICE": "1"}
    assert len(problems(file, slips, {})) == 3


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("influxdb.password", "influxdb.token_file or influxdb.token, as USER:PASSWORD; `homeiq-ingest convert` makes"),
        ("influxdb.organization", "Its name here is influxdb.org"),
        ("influxdb.port", "a part of influxdb.url"),
        ("influxdb.exclude", "[filter]"),
        ("influxdb.verify_ssl", "influxdb.ssl_verify"),
        ("influxdb.precision", "Leave it out"),
        ("influxdb.measurement_attr", "[homeassistant_schema]"),
        ("home_assistant.host", "a part of home_assistant.url"),
    ],
)
def test_keys_of_the_influxdb_integration_are_known(tmp_path: Path, name: str, said: str) -> None:
    section, _, key = name.partition(".")
    (found,) = problems(toml(tmp_path, f'[{section}]\n{key} = "x"\n'), {}, {})
    assert said in found
    assert "Did you mean" not in found


def test_all_problems_at_once_each_with_its_remedy(tmp_path: Path) -> None:
    file = toml(
        tmp_path,
        'batch = 5\nlgo.level = "info"\n[home_assistant]\ntokn = "x"\nHA_TOKEN = "x"\nping_interval = "50s"\n'
        '[intake]\nevents = "many"\nsize = 5\n[influxdb]\nurl = "db:8086"\n[wholly_elsewhere]\na = 1\n',
    )
    environ = {
        "HOMEIQ_INGEST_BATCHSIZE": "1",
        "homeiq_ingest_home": "x",
        "HOMEIQ_INGEST_QQQQQ": "1",
        "LOG_LEVEL": "loud",
    }
    found = problems(file, environ, {"api.prt": 5, "api": "x"})
    assert found == (
        "api.prt (command line): there is no such setting. Did you mean api.port?",
        "api (command line): that is a section and no setting. Name a setting in it, such as api.enabled.",
        f"batch (file {file}): this is a section, not a value. Write a line [batch] and its keys below.",
        f"lgo (file {file}): there is no such setting. Take it out; `homeiq-ingest config show` then lists every setting.",
        f"home_assistant.tokn (file {file}): there is no such setting. Did you mean home_assistant.token?",
        f"home_assistant.HA_TOKEN (file {file}): there is no such setting. Its name here is home_assistant.token.",
        f"intake.size (file {file}): there is no such setting. Did you mean batch.size?",
        f"wholly_elsewhere (file {file}): there is no such setting. Take it out; `homeiq-ingest config show` then lists every setting.",
        "HOMEIQ_INGEST_BATCHSIZE (environment): there is no such variable. Did you mean HOMEIQ_INGEST_BATCH_SIZE?",
        "homeiq_ingest_home (environment): there is no such variable. Did you mean HOMEIQ_INGEST_HOME?",
        (
            "HOMEIQ_INGEST_QQQQQ (environment): there is no such variable."
            " Take it out; `homeiq-ingest config show` then lists every setting."
        ),
        f'intake.events (file {file}): "many" is not a whole number. Give a whole number from 100 to 10000000.',
        f"influxdb.url (file {file}): the value (not shown) does not start with http:// or https://. Give an address such as http://host:port.",
        (
            'log.level (environment LOG_LEVEL): "loud" is not one of debug, info, warning, error or critical.'
            " Give debug, info, warning, error or critical."
        ),
        (
            f"home_assistant.ping_interval (file {file}): with pong_timeout it is 70 s, and a dead connection must be found"
            " within 60 s. Lower one of the two."
        ),
    )


def test_all_that_is_wrong_inside_a_list_is_told_at_once(tmp_path: Path) -> None:
    file = toml(
        tmp_path,
        '[filter]\npatterns = [{domain = "a"}, {entity = "b"}, {domain = 5}]\n'
        '[api]\ntrusted_networks = ["10.0.0.1/8", "::1", "x"]\n',
    )
    found = problems(file, {"HOMEIQ_INGEST_API_CORS_ORIGINS": "a, http://b, c"})
    assert [each.partition("): ")[2].partition(" ")[0] for each in found] == [
        "pattern", "pattern", '"10.0.0.1/8"', '"x"', '"a"', '"c"',
    ]  # fmt: skip
    assert [each.partition(" ")[0] for each in found] == [
        "filter.patterns", "filter.patterns", *["api.trusted_networks"] * 2, *["api.cors_origins"] * 2,
    ]  # fmt: skip
    assert all(". Give a list of " in each for each in found)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"[batch\n", "is not TOML: Expected ']' at the end of a table declaration (at line 1, column 7)"),
        (b"a = 1\nb = '\xff'\n", "is not TOML: a byte that is not UTF-8 (at line 2, column 6)"),
        (b"\xffa = 1\n", "is not TOML: a byte that is not UTF-8 (at line 1, column 1)"),
        (
            b"[home_assistant]\n[api]\n[home_assistant]\n",
            "is not TOML: the section [home_assistant] is there twice (at line 3, column 16)",
        ),
        (b'[a."b c"]\n[a."b c"]\n', "the section [a.b c] is there twice"),
        (b"[a]\nb = 1\nb = 2\n", "is not TOML: what this line gives is there already (at line 3, column 6)"),
        (b"a = " + b"[" * 100_000, "is not TOML"),
        (b"a = " + b"1" * 10_000, "is not TOML"),
    ],
)
def test_a_file_that_is_not_toml_is_one_message(tmp_path: Path, data: bytes, said: str) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(data)
    found = problems(file, {"BATCH_SIZE": "x"}, for_running=True)
    assert said in found[0]
    assert str(file) in found[0]
    assert len(found) == 2, "the environment's problem is said too, but not what the file may well hold"


@pytest.mark.parametrize("text", ["[api]\n[api]\n", "[api]\nport = 1\nport = 2\n"])
def test_what_is_there_twice_wants_another_remedy_than_a_line_that_is_wrong(tmp_path: Path, text: str) -> None:
    (said,) = problems(toml(tmp_path, text))
    assert "quotes" not in said
    assert "one of" in said


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    assert load(toml(tmp_path, '\ufeffhome = "x"\r\n'), {}, {}).settings.home == "x"


def test_an_unreadable_file_is_one_message(tmp_path: Path) -> None:
    (missing,) = problems(tmp_path / "no.toml")
    assert missing.startswith("the configuration file cannot be read: No such file or directory")
    (folder,) = problems(None, {"HOMEIQ_INGEST_CONFIG": str(tmp_path)})
    assert folder.startswith("the configuration file cannot be read: Is a directory")


def test_where_a_file_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / "homeiq-ingest").mkdir()
    file = toml(tmp_path / "homeiq-ingest", 'home = "found"\n')
    (tmp_path / ".config").symlink_to(tmp_path)
    other = toml(tmp_path, 'home = "other"\n')
    assert load(None, {"XDG_CONFIG_HOME": str(tmp_path)}, {}).file == file
    assert load(None, {"HOME": str(tmp_path)}, {}).settings.home == "found"
    assert load(None, {"XDG_CONFIG_HOME": str(tmp_path), "HOMEIQ_INGEST_CONFIG": str(other)}, {}).file == other
    assert load(other, {"HOMEIQ_INGEST_CONFIG": "nowhere"}, {}).file == other
    assert load(None, {"XDG_CONFIG_HOME": "relative"}, {}).file is None


def test_a_relative_path_starts_at_its_file(tmp_path: Path) -> None:
    toml(tmp_path, TOKEN, "token")
    file = toml(tmp_path, '[home_assistant]\ntoken_file = "token"\n[embedded]\npath = "/var/x.db"\n')
    settings = load(file, {}, {}).settings
    assert settings.home_assistant.token_file == tmp_path / "token"
    assert settings.embedded.path == Path("/var/x.db")


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({}, "home.db"),
        ({"HOME": "/h"}, "/h/.local/share/homeiq-ingest/home.db"),
        ({"HOME": "/h", "XDG_DATA_HOME": "/d"}, "/d/homeiq-ingest/home.db"),
        ({"HOME": "/h", "STATE_DIRECTORY": "/s:/t"}, "/s/home.db"),
    ],
)
def test_where_the_embedded_store_is(environ: dict[str, str], path: str) -> None:
    loaded = load(None, environ, {})
    assert loaded.settings.embedded.path == Path(path)
    assert loaded.origins["embedded.path"].startswith("default")


@pytest.mark.parametrize(
    ("known", "path"), [({os.getuid(): "/home/me"}, "/home/me/.local/share/homeiq-ingest/home.db"), ({}, "home.db")]
)
def test_who_has_no_home_in_the_environment_has_that_of_passwd(
    monkeypatch: pytest.MonkeyPatch, known: dict[int, str], path: str
) -> None:
    """As for `init` and `demo`, which ask Python for it."""
    monkeypatch.setattr(files, "passwd_home", passwd_home)
    monkeypatch.setattr(
        pwd, "getpwuid", lambda uid: pwd.struct_passwd(("me", "x", uid, uid, "", known[uid], "/bin/sh"))
    )
    assert load(None, {}, {}).settings.embedded.path == Path(path)
    assert [str(each) for each in files.searched({})][:-1] == [
        f"{home}/.config/homeiq-ingest/config.toml" for home in known.values()
    ]


@pytest.mark.parametrize(
    ("environ", "file", "path"),
    [
        ({"HOME": "/h"}, "/etc/homeiq-ingest/config.toml", "/var/lib/homeiq-ingest/state.db"),
        ({"HOME": "/h"}, "/etc/homeiq-ingest/../homeiq-ingest/other.toml", "/var/lib/homeiq-ingest/state.db"),
        ({"HOME": "/h"}, "/srv/config.toml", "/h/.local/share/homeiq-ingest/state.db"),
        ({"STATE_DIRECTORY": "/s"}, "/etc/homeiq-ingest/config.toml", "/s/state.db"),
    ],
)
def test_a_configuration_of_the_machine_has_its_state_there(environ: dict[str, str], file: str, path: str) -> None:
    given = default_layer(environ, Path(file))["spool.path"]
    assert given.raw == Path(path)
    assert given.origin.startswith("default")


def test_what_a_command_does_not_use_does_not_keep_it_from_its_work(tmp_path: Path) -> None:
    bad = (
        '[home_assistant]\ntoken_file = "none"\nping_interval = 59\n[batch]\nsize = "no"\n[store]\nkind = "influxdb"\n'
    )
    file = toml(tmp_path, bad)
    assert len(problems(file)) == 4
    assert load(file, {}, {}, sections={"spool", "api"}).settings.spool.size == 2 * 2**30
    assert [each.partition(" ")[0] for each in problems(toml(tmp_path, "[spool]\nsize = 1"))] == ["spool.size"]


def test_a_place_is_in_one_pair_of_brackets(tmp_path: Path) -> None:
    toml(tmp_path, "Bearer x", "token")
    file = toml(tmp_path, '[home_assistant]\ntoken_file = "token"\n')
    (said,) = problems(file)
    assert said.startswith(f"home_assistant.token (file {tmp_path / 'token'}, from file {file}): the token starts with")


def test_running_needs_an_address_and_a_token() -> None:
    (url,) = problems(for_running=True)
    assert url.startswith("home_assistant.url: the address of Home Assistant is missing. Set it, such as")
    both = problems(None, {"HA_URL": "http://a", "NABU_CASA_URL": "http://b"}, for_running=True)
    assert [each.split(":")[0] for each in both] == ["home_assistant.token", "home_assistant.secondary_token"]
    for environ in ({"NABU_CASA_URL": "http://b", "NABU_CASA_TOKEN": TOKEN}, {"ENABLE_HOME_ASSISTANT": "false"}):
        assert load(None, environ, {}, for_running=True).warnings == ()
