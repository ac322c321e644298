"""Prometheus itself: its own tool reads the rules and plays them, and it scrapes a running service for the dashboard."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from attrs import frozen
from click.testing import CliRunner

from ingest.cli.main import main
from ingest.core.grafana import as_json
from ingest.core.grafana_service import service_dashboard
from ingest.core.prometheus_rules import RULES
from tests.live import servers
from tests.live.lab import end, free_port, launch, tail, wait_for
from tests.live.servers import fetched, served
from tests.support.dashboards import expanded, queries

pytestmark = pytest.mark.live

LABELS = 'instance="home:8001",job="homeiq-ingest"'
WELL: Mapping[str, str] = {
    f"up{{{LABELS}}}": "1x120",
    f"homeiq_ingest_uptime_seconds{{{LABELS}}}": "60+60x120",
    f"homeiq_ingest_subscribed{{{LABELS}}}": "1x120",
    f"homeiq_ingest_events_per_minute{{{LABELS}}}": "40x120",
    f"homeiq_ingest_store_reachable{{{LABELS}}}": "1x120",
    f"homeiq_ingest_waiting_points{{{LABELS}}}": "3x120",
    f"homeiq_ingest_spool_oldest_age_seconds{{{LABELS}}}": "1x120",
    f"homeiq_ingest_spool_bytes{{{LABELS}}}": "1000x120",
    f"homeiq_ingest_spool_limit_bytes{{{LABELS}}}": "1000000x120",
    f"homeiq_ingest_spool_bytes_per_second{{{LABELS}}}": "1x120",
    f"homeiq_ingest_spool_failing{{{LABELS}}}": "0x120",
    f'homeiq_ingest_gaps{{{LABELS},state="unfillable"}}': "2x120",
    f'homeiq_ingest_gaps{{{LABELS},state="partly"}}': "1x120",
    f'homeiq_ingest_gaps{{{LABELS},state="filled"}}': "5+1x120",
    f'homeiq_ingest_states_total{{{LABELS},term="stored"}}': "0+40x120",
    f'homeiq_ingest_states_total{{{LABELS},term="rejected"}}': "7x120",
    f'homeiq_ingest_states_total{{{LABELS},term="malformed"}}': "0x120",
    f'homeiq_ingest_states_total{{{LABELS},term="shed"}}': "3x120",
    f'homeiq_ingest_states_total{{{LABELS},term="evicted"}}': "0x120",
    f'homeiq_ingest_lag_seconds_bucket{{{LABELS},of="newest",le="1.0"}}': "0+60x120",
    f'homeiq_ingest_lag_seconds_bucket{{{LABELS},of="newest",le="30.0"}}': "0+60x120",
    f'homeiq_ingest_lag_seconds_bucket{{{LABELS},of="newest",le="60.0"}}': "0+60x120",
    f'homeiq_ingest_lag_seconds_bucket{{{LABELS},of="newest",le="+Inf"}}': "0+60x120",
    f'homeiq_ingest_event_loop_seconds_bucket{{{LABELS},le="1.0"}}': "0+1000x120",
    f"homeiq_ingest_event_loop_seconds_count{{{LABELS}}}": "0+1000x120",
    f'homeiq_ingest_queue_changes{{{LABELS},queue="intake"}}': "10x120",
    f'homeiq_ingest_queue_capacity_changes{{{LABELS},queue="intake"}}': "1000x120",
}
"""A service that is well, over two hours: what once went wrong stands in its totals, and is no reason to warn."""


@frozen
class Trouble:
    """What is otherwise than in `WELL`, which rule fires within two hours, and what it does not yet do so at, in minutes."""

    name: str
    alert: str
    series: Mapping[str, str]
    not_at: int = 2
    gone: tuple[str, ...] = ()
    lost: str = ""
    """A label that the alert does not have."""
    more: tuple[tuple[str, str], ...] = ()


def told(name: str, values: str, *more: str) -> dict[str, str]:
    return {f"homeiq_ingest_{name}{{{','.join((LABELS, *more))}}}": values}


TROUBLES = (
    Trouble("nobody answers", "HomeiqIngestDown", {f"up{{{LABELS}}}": "0x120"}, 4),
    Trouble(
        "nobody is asked", "HomeiqIngestDown", {}, 4, (f"up{{{LABELS}}}",), lost="instance"
    ),
    Trouble(
        "restarts", "HomeiqIngestDown",
        told("uptime_seconds", "60 120 180 60 120 60 120 180 60 120 60 120x5 60 120 60 120 60 120 60 120 60 60x20"), 3,
    ),
    Trouble("disconnected", "HomeiqIngestNotConnected", told("subscribed", "0x120"), 4),
    Trouble("silent", "HomeiqIngestNoEvents", told("events_per_minute", "0x120"), 29),
    Trouble(
        "database away", "HomeiqIngestDatabaseDown",
        {**told("store_reachable", "0x120"), **told("waiting_points", "0+40x120")}, 9,
    ),
    Trouble(
        "database too slow", "HomeiqIngestDatabaseDown",
        {**told("spool_oldest_age_seconds", "0+60x120"), **told("waiting_points", "0+10x120")}, 15,
    ),
    Trouble(
        "spool lasts for a quarter of a day", "HomeiqIngestSpoolNearlyFull",
        {**told("spool_oldest_age_seconds", "700x120"), **told("spool_bytes_per_second", "45x120")}, 9,
    ),
    Trouble("spool full", "HomeiqIngestSpoolNearlyFull", told("spool_bytes", "900000x120"), 9),
    Trouble("disk full", "HomeiqIngestSpoolNearlyFull", told("spool_failing", "1x120"), 9),
    Trouble("gap open", "HomeiqIngestGaps", told("gap_oldest_age_seconds", "21700+60x120"), 4),
    Trouble("gap not filled", "HomeiqIngestGaps", told("gaps", "2x30 3x90", 'state="unfillable"'), 29),
    Trouble("evicted", "HomeiqIngestGaps", told("states_total", "0x30 5x90", 'term="evicted"'), 29),
    Trouble("refused", "HomeiqIngestDeadLetters", told("states_total", "7+1x120", 'term="rejected"'), 1),
    Trouble(
        "late",
        "HomeiqIngestSlow",
        {
            **told("lag_seconds_bucket", "0x120", 'of="newest"', 'le="1.0"'),
            **told("lag_seconds_bucket", "0x120", 'of="newest"', 'le="30.0"'),
        },
        9,
        more=(("of", "newest"),),
    ),
    Trouble(
        "stalls", "HomeiqIngestSlow", told("event_loop_seconds_count", "0+1002x120"), 9
    ),
    Trouble("queue full", "HomeiqIngestSlow", told("queue_changes", "900x120", 'queue="intake"'), 9),
)  # fmt: skip


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def promtool(*arguments: str | Path, folder: Path) -> str:
    tool = fetched("prometheus", ["prometheus"]) / "promtool"
    done = subprocess.run([tool, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_rules_are_rules(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(printed("prometheus", "rules"), "utf-8")
    assert "8 rules found" in promtool("check", "rules", "rules.yml", folder=tmp_path)


def expected(trouble: Trouble) -> dict[str, Any]:
    rule = next(each for each in RULES if each.name == trouble.alert)
    labels = {"instance": "home:8001", "job": "homeiq-ingest", **dict(trouble.more)}
    labels.pop(trouble.lost, None)
    return {
        "exp_labels": {**labels, "severity": "critical" if rule.critical else "warning"},
        "exp_annotations": {"summary": rule.summary, "description": rule.remedy},
    }


def scene(series: Mapping[str, str], checks: Sequence[tuple[str, str, Sequence[Any]]], name: str) -> dict[str, Any]:
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": key, "values": values} for key, values in series.items()],
        "alert_rule_test": [
            {"eval_time": at, "alertname": alert, "exp_alerts": list(alerts)} for at, alert, alerts in checks
        ],
    }


def test_each_rule_fires_when_it_should_and_no_other_does(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(printed("prometheus", "rules"), "utf-8")
    assert {each.alert for each in TROUBLES} == {each.name for each in RULES}
    names = [each.name for each in RULES]
    scenes = [scene(WELL, [(f"{at}m", name, []) for name in names for at in (0, 10, 60, 119)], "all is well")]
    for trouble in TROUBLES:
        series = {key: values for key, values in {**WELL, **trouble.series}.items() if key not in trouble.gone}
        at = f"{trouble.not_at}m"
        fires = [(at, trouble.alert, []), ("40m", trouble.alert, [expected(trouble)])]
        others: list[tuple[str, str, list[Any]]] = [("40m", name, []) for name in names if name != trouble.alert]
        scenes.append(scene(series, [*fires, *others], trouble.name))
    document = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": scenes}
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), "utf-8")
    assert "SUCCESS" in promtool("test", "rules", "tests.yml", folder=tmp_path)


TOKEN = "a-token-" * 20
CONFIGURATION = """\
[home_assistant]
url = "http://127.0.0.1:{home}"
token_file = "token"
max_retry_delay = "1s"
[influxdb]
url = "{database}"
token_file = "token"
numeric_only = true
[spool]
path = "state.db"
[api]
port = {api}
[[filter.patterns]]
domain = "light"
"""


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Prometheus that scrapes a service, which stores a simulated home, as the product says it should."""
    tmp_path, home, api, asked = tmp_path_factory.mktemp("prometheus"), free_port(), free_port(), free_port()
    (tmp_path / "token").touch(mode=0o600)
    (tmp_path / "token").write_text(TOKEN)
    config = tmp_path / "config.toml"
    with ExitStack() as stack:
        database = stack.enter_context(servers.victoria_metrics(tmp_path))
        config.write_text(CONFIGURATION.format(home=home, database=database.url, api=api), "utf-8")
        (tmp_path / "homeiq-ingest.rules.yml").write_text(printed("prometheus", "rules"), "utf-8")
        scraped = printed("prometheus", "scrape", "--config", str(config)).replace("15s", "1s")
        (tmp_path / "prometheus.yml").write_text(scraped, "utf-8")
        product = [sys.executable, "-m", "ingest"]
        simulate = ["simulate", "--port", str(home), "--token", TOKEN, "--replay", "5m", "--speed", "60"]
        stack.callback(end, launch([*product, "run", "--config", config], tmp_path / "log"))
        # So there is an error to show: nobody is at home yet.
        wait_for(lambda: failed(api), f"an attempt that failed:\n{tail(tmp_path / 'log')}")
        stack.callback(end, launch([*product, *simulate], tmp_path / "home.log"))
        url = f"http://127.0.0.1:{asked}"
        command: list[str | Path] = [
            fetched("prometheus", ["prometheus"]) / "prometheus",
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{asked}",
        ]
        stack.enter_context(served(command, tmp_path / "prometheus.log", lambda: servers.answers(f"{url}/-/ready")))
        yield url


def failed(port: int) -> bool:
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).json()
    except httpx.HTTPError:
        return False
    return bool(answer["connection"]["failed_connections"])


def result(url: str, path: str, **parameters: Any) -> Any:
    answer = httpx.get(f"{url}/api/v1/{path}", params=parameters, trust_env=False)
    assert answer.is_success, (parameters, answer.text)
    return answer.json()["data"]


def test_every_query_of_the_dashboard_of_the_service_has_rows(prometheus: str) -> None:
    dashboard = json.loads(as_json(service_dashboard(), "any"))
    asked = [each for each in queries(dashboard) if not each.what.startswith("variable")]
    left = {each.what: expanded(each.text, {"instance": ".*"}, 0, 60_000, "10s") for each in asked}
    assert len(left) > 25

    def answered() -> bool:
        for what, text in list(left.items()):
            found = result(prometheus, "query", query=text)["result"]
            if any(each["value"][1] != "NaN" for each in found):
                del left[what]
        return not left

    try:
        wait_for(answered, "a row of each query", 180)  # the spool's rate is known after a minute
    except TimeoutError as late:
        late.add_note(str(left))
        raise
    assert result(prometheus, "label/instance/values", **{"match[]": "homeiq_ingest_uptime_seconds"})


def test_prometheus_takes_the_rules_and_none_fires_of_a_service_that_is_well(prometheus: str) -> None:
    wait_for(lambda: result(prometheus, "query", query="homeiq_ingest_subscribed == 1")["result"], "scraped", 60)
    groups = wait_for(lambda: [each for each in result(prometheus, "rules")["groups"] if each["rules"]], "rules")
    assert [each["name"] for each in groups[0]["rules"]] == [each.name for each in RULES]
    assert {each["health"] for each in groups[0]["rules"]} <= {"ok", "unknown"}
    assert [each for each in result(prometheus, "alerts")["alerts"] if each["state"] == "firing"] == []
