"""Puts together the folder that Home Assistant's Supervisor builds the app from: `python -m scripts.addon.assemble FOLDER`.

In it is all that the image needs: the recipe, the package as a wheel, the packages that it needs with their hashes, and what
the user reads. It goes into the `addons` folder of a Home Assistant, as docs/how-to/addon.md tells.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[2]
APP = Path(__file__).parent
FILES = ("Dockerfile", "DOCS.md", "README.md", "CHANGELOG.md", "icon.png", "logo.png", "translations")
REQUIREMENTS = ROOT / ".ci" / "requirements.txt"


def built(into: Path) -> Path:
    """A wheel of this checkout, made in that folder with pip, which fetches what it builds with."""
    if find_spec("pip") is None:
        raise SystemExit("This Python has no pip to build a wheel with: use another, or give --wheel FILE.")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(into), str(ROOT)]
    subprocess.run(command, check=True)
    (wheel,) = into.glob("homeiq_ingest-*.whl")
    return wheel


def assemble(folder: Path, wheel: Path | None = None) -> Path:
    """Fill a folder, which must be new or empty, with everything; without a `wheel` one is built. The folder."""
    if folder.exists() and any(folder.iterdir()):
        raise SystemExit(f"{folder} holds something already: name a folder that does not exist yet.")
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        copy = shutil.copytree if (APP / name).is_dir() else shutil.copyfile
        copy(APP / name, folder / name)
    shutil.copyfile(REQUIREMENTS, folder / "requirements.txt")
    package = built(folder) if wheel is None else Path(shutil.copyfile(wheel, folder / wheel.name))
    manifest = (APP / "config.yaml").read_text("utf-8")
    (folder / "config.yaml").write_text(of_version(manifest, package.name.split("-")[1]), encoding="utf-8")
    return folder


def of_version(manifest: str, version: str) -> str:
    """The manifest with a version in place of `dev`."""
    stamped, found = re.subn(r"^version: dev$", f'version: "{version}"', manifest, flags=re.MULTILINE)
    assert found == 1, "config.yaml has no line `version: dev`"
    return stamped


def main() -> None:
    """Do it, and say what comes next."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="a folder that does not exist yet, such as homeiq_ingest")
    parser.add_argument("--wheel", type=Path, help="a wheel that was built before; else one is built of this checkout")
    given = parser.parse_args()
    folder = assemble(given.folder, given.wheel)
    print(
        f"{folder} is ready: copy it into the folder `addons` of Home Assistant, and look for updates in its app store."
    )


if __name__ == "__main__":
    main()
