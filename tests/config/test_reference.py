import runpy
from pathlib import Path

import pytest

from ingest.config.reference import reference
from ingest.config.settings import KEYS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "configuration.md"


def test_the_page_is_up_to_date() -> None:
    advice = "run: python -m ingest.config.reference > docs/reference/configuration.md"
    assert PAGE.read_text(encoding="utf-8") == reference(), advice


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
def test_the_command_prints_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_module("ingest.config.reference", run_name="__main__")
    assert capsys.readouterr().out == reference()


def test_every_setting_and_variable_is_on_it() -> None:
    page = reference()
    assert all(f"`{name}`" in page for key in KEYS.values() for name in key.variables)


@pytest.mark.parametrize(
    "variable", ["INFLUXDB_MAX_PENDING_POINTS", "INFLUXDB_OVERFLOW_STRATEGY", "BATCH_SIZE", "WEBSOCKET_INGESTION_HOST"]
)
def test_a_changed_meaning_is_in_the_table(variable: str) -> None:
    assert variable in reference().partition("whose meaning changed")[2]
