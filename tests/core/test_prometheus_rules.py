"""The rules as YAML, and what they name: that each fires when it should is played by `promtool` in tests/live."""

from __future__ import annotations

import re

import yaml

from ingest.core.prometheus_rules import JOB, RULES, rules_yaml, scrape_yaml


def test_there_are_eight_rules_and_each_says_what_to_do() -> None:
    [group] = yaml.safe_load(rules_yaml())["groups"]
    assert len(group["rules"]) == 8
    assert len({each["alert"] for each in group["rules"]}) == 8
    for made, rule in zip(group["rules"], RULES, strict=True):
        assert (made["alert"], made["expr"], made["for"]) == (rule.name, rule.expr, rule.lasting)
        assert re.fullmatch(r"\d+m", made["for"])
        assert made["labels"]["severity"] in {"warning", "critical"}
        assert made["annotations"]["summary"]
        assert made["annotations"]["description"].endswith(".")


def test_what_is_scraped_is_the_job_that_the_rules_know() -> None:
    made = yaml.safe_load(scrape_yaml("home:8001", guarded=False))
    [job] = made["scrape_configs"]
    assert job == {"job_name": JOB, "scrape_interval": "15s", "static_configs": [{"targets": ["home:8001"]}]}
    assert any(f'job="{JOB}"' in rule.expr for rule in RULES)


def test_a_guarded_service_is_scraped_with_a_token_from_a_file() -> None:
    [job] = yaml.safe_load(scrape_yaml("home:8001", guarded=True))["scrape_configs"]
    assert job["authorization"]["credentials_file"].startswith("/")
