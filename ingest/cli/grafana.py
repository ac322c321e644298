"""`homeiq-ingest grafana`: dashboards, and what Grafana needs to provision them."""

from __future__ import annotations

from pathlib import Path
from typing import Final, cast

import click

from ingest.cli.database import tagged_home
from ingest.cli.exits import explained
from ingest.cli.options import configured, loaded
from ingest.cli.output import written
from ingest.config.schemas import HomeassistantSchema
from ingest.config.settings import Settings
from ingest.core.grafana import Dashboard, Language, as_json
from ingest.core.grafana_home import Queries, Schema, home_dashboard
from ingest.core.grafana_influxql import CLASS_FIELD, CLASS_TAG, influxql_homeassistant, influxql_homeiq
from ingest.core.grafana_metricsql import metricsql_homeassistant, metricsql_homeiq
from ingest.core.grafana_provisioning import SOURCES, Source, asked_at, dashboards_yaml, sources_yaml
from ingest.core.grafana_service import service_dashboard
from ingest.errors import Refused

_SECTIONS: Final = frozenset({"home", "influxdb", "homeassistant_schema"})
_NAME: Final = "homeiq-ingest.yaml"


@click.command()
@click.option(
    "--schema", type=click.Choice(["homeiq", "homeassistant"]), help="That of the points; else influxdb.schema."
)
@click.option(
    "--language",
    type=click.Choice([each.value for each in Language]),
    help="`influxql`: InfluxDB 1, 2 and 3; `metricsql`: VictoriaMetrics; `prometheus`: the service itself, from its metrics. "
    "Else by influxdb.numeric_only.",
)
@click.option("--datasource", metavar="UID", help="The uid of Grafana's data source; else one that is provisioned.")
@click.option(
    "--path",
    "seen",
    metavar="FOLDER",
    help="Where Grafana sees the dashboards; else where they are written.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder for the dashboards and the provisioning; else the one dashboard is printed.",
)
@configured
def grafana(
    *,
    schema: str | None,
    language: str | None,
    datasource: str | None,
    seen: str | None,
    output: Path | None,
    config_path: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Make dashboards for Grafana: of the home, and of the service.

    Into a folder go both, or the one that --language names, with the files from which Grafana provisions them.
    """
    with explained():
        settings = loaded(config_path, assignments, sections=_SECTIONS, secrets="unread").settings
        spoken = Language(language) if language else _language(settings)
        chosen = cast("Schema", schema or settings.influxdb.schema)
        made = {spoken: _dashboard(settings, chosen, spoken)}
        if output is None:
            click.echo(as_json(made[spoken], datasource or SOURCES[spoken]), nl=False)
            return
        if language is None:
            made[Language.PROMETHEUS] = service_dashboard()
        _write(output, settings, made, {spoken: datasource} if datasource else {}, seen)


def _language(settings: Settings) -> Language:
    return Language.METRICSQL if settings.influxdb.numeric_only else Language.INFLUXQL


def _dashboard(settings: Settings, schema: Schema, language: Language) -> Dashboard:
    if language is Language.PROMETHEUS:
        return service_dashboard()
    return home_dashboard(schema, language, _queries(settings, schema, language), tagged_home(settings))


def _queries(settings: Settings, schema: Schema, language: Language) -> Queries:
    tagged = settings.influxdb.home_tag
    if schema == "homeiq":
        if language is Language.INFLUXQL:
            return influxql_homeiq(settings.home, legacy=settings.influxdb.legacy_state_repr, tagged=tagged)
        return metricsql_homeiq(settings.home, tagged=tagged)
    told = settings.homeassistant_schema
    if told.override_measurement or told.measurement_attr != "unit_of_measurement":
        raise Refused(
            "there is a dashboard only where measurements are named after units",
            remedy="homeassistant_schema.measurement_attr or override_measurement says otherwise; make panels of your own.",
        )
    if language is Language.INFLUXQL:
        return influxql_homeassistant(settings.home, told.default_measurement, classed=_classed(told), tagged=tagged)
    return metricsql_homeassistant(settings.home, tagged=tagged)


def _classed(told: HomeassistantSchema) -> str | None:
    """What holds the device class; a tag is one also of what is ignored."""
    if CLASS_TAG in told.tags_attributes:
        return CLASS_TAG
    return None if CLASS_TAG in told.ignore_attributes else CLASS_FIELD


def _write(
    folder: Path,
    settings: Settings,
    made: dict[Language, Dashboard],
    given: dict[Language, str],
    seen: str | None,
) -> None:
    """A data source that exists already is not provisioned again."""
    dashboards, provisioning = folder / "dashboards", folder / "provisioning"
    texts = {
        dashboards / f"{each.uid}.json": as_json(each, given.get(spoken, SOURCES[spoken]))
        for spoken, each in made.items()
    }
    texts[provisioning / "dashboards" / _NAME] = dashboards_yaml(seen or str(dashboards.absolute()))
    if sources := [_source(settings, spoken) for spoken in made if spoken not in given]:
        texts[provisioning / "datasources" / _NAME] = sources_yaml(sources)
    for path, text in texts.items():
        _make(path.parent)
        with written(path) as out:
            out.write(text.encode())
        click.echo(path)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"the folder cannot be made: {error.strerror}"
        raise Refused(problem, where=str(folder), remedy="Choose another one") from error


def _source(settings: Settings, language: Language) -> Source:
    uid, given = SOURCES[language], settings.influxdb
    if language is Language.PROMETHEUS:
        return Source(language, uid)
    if language is Language.METRICSQL:
        return Source(language, uid, asked_at(given.url or "http://127.0.0.1:8428"), given.bucket)
    return Source(language, uid, given.url or "http://127.0.0.1:8086", given.bucket)
