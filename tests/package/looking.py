"""Runs where only the wheel is: starts the demo, looks at its status page and at all that the page names, and ends it.

Says a line for each thing it got, and the demo's last words. Knows nothing but the standard library and `homeiq-ingest`.
"""

# ruff: noqa: T201  what it prints is what the test reads

import json
import re
import signal
import subprocess
import sys
import time
from urllib.request import Request, urlopen

PATIENCE = 60.0


def get(url: str) -> bytes:
    with urlopen(Request(url, headers={"Accept": "text/html"}), timeout=10) as answer:
        got: bytes = answer.read()
    print(f"{len(got):>7} {url.partition('//')[2].partition('/')[2] or 'page'}")
    return got


def look(address: str) -> None:
    page = get(address).decode()
    for name in sorted(set(re.findall(r'(?:src|href)="(assets/[^"]+)"', page))):
        get(f"{address}/{name}")
    deadline = time.monotonic() + PATIENCE
    while (said := json.loads(get(f"{address}/health")))["status"] != "healthy":
        if time.monotonic() > deadline:
            sys.exit(f"it did not become healthy: {said}")
        time.sleep(1)
    print(said["status"])


def main() -> None:
    command = ["homeiq-ingest", "demo", "--plain", "--entities", "8"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout
        for line in demo.stdout:
            if found := re.search(r"in a browser: (\S+)", line):
                look(found[1])
                break
        demo.send_signal(signal.SIGINT)
        print(demo.stdout.read())
    sys.exit(demo.returncode)


main()
