"""Ten configurations of Home Assistant's `influxdb` integration, after the shapes of its documentation."""

from pathlib import Path

FOLDER = Path(__file__).parent
EXAMPLES = sorted(FOLDER.glob("[01]*.yaml"))
