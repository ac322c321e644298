"""The project's sessions: `nox` runs the usual ones, `nox -s NAME` one, `nox -s NAME -- ARGUMENTS` passes arguments on."""

import os
from pathlib import Path

import nox

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
LOCKED = ".ci/requirements-test.txt"
CAMPAIGN = {"ROUNDS", "STORM", "KILLS", "FULL_SECONDS", "OUTAGE_HOURS", "STATES", "DAYS"}
CHOSEN = "not live and not slow and not outside and not package and not container"
FAST = ("-m", CHOSEN, "-n", "auto")
TRACED = ("-m", f"{CHOSEN} and not hypothesis", "-n", "auto")

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "uv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["lint", "types", "tests", "docs"]

# pyenv keeps several Pythons but lets only the chosen ones be found: choose all that we test.
_kept = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv").glob("versions/3.1[1-9].*")
os.environ.setdefault("PYENV_VERSION", ":".join(version.name for version in sorted(_kept)) or "system")

# Where Python keeps no bytecode every process compiles every module, and what a service imports late holds it up for a second.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def install(session: nox.Session) -> None:
    """What `scripts/test` installs, and this checkout."""
    session.install("--no-deps", "--require-hashes", "-r", LOCKED)
    session.install("--no-deps", "-e", ".")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The fast tests, on every Python that is here."""
    install(session)
    session.run("pytest", *FAST, *session.posargs)


@nox.session
def cover(session: nox.Session) -> None:
    """The coverage gate of the fast tests, as `scripts/test` has it; the lines missed as a page in .nox/htmlcov/."""
    install(session)
    session.run("pytest", *TRACED, "--cov", "--cov-report=term", "--cov-report=html:.nox/htmlcov", *session.posargs)


@nox.session
def minimums(session: nox.Session) -> None:
    """The fast tests with the oldest versions that pyproject.toml allows."""
    session.install("--resolution", "lowest-direct", "-e", ".", "--group", "test")
    session.run("pytest", *FAST, *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """The style of the code: ruff's rules, and its format."""
    install(session)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """The types, with mypy strict, of the sources, the tests and the scripts."""
    install(session)
    session.run("mypy", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation as a site in .nox/site, warnings as errors; what it links, names, shows and has a reader type is so."""
    session.install("--no-deps", "--require-hashes", "-r", ".ci/requirements-docs.txt")
    session.install("--no-deps", "-e", ".")
    build = ("--builder", "html", "--doctree-dir", ".nox/doctrees", "--fresh-env", "--nitpicky", "--fail-on-warning")
    session.run("sphinx-build", *build, "--keep-going", "--quiet", "docs", ".nox/site")
    # A page's commands may take longer than a test may otherwise.
    patience = ("-o", "faulthandler_timeout=0")
    tested = session.posargs or ["tests/test_docs.py", "tests/documents"]
    session.run("pytest", "-rs", *patience, *tested, env={"SITE": ".nox/site"})


@nox.session(venv_backend="none")
def tutorial(session: nox.Session) -> None:
    """The tutorial, followed word by word in a clean clone of what is committed, with a simulated home."""
    session.run("scripts/tutorial", *session.posargs, external=True)


@nox.session
def live(session: nox.Session) -> None:
    """Against real servers. `HA_VERSIONS="2024.3.3"` chooses, `HOMEIQ_LAB` says where they are kept between runs."""
    install(session)
    # `-n 2 --dist=loadgroup` gives each version of Home Assistant a worker: a third faster, and less steady.
    session.run("pytest", "tests/live", "-m", "live", "--durations=5", *session.posargs)


@nox.session
def outside(session: nox.Session) -> None:
    """The API fuzzed from its own document, and the status page in a real browser (Debian's Chromium)."""
    session.install("--no-deps", "--require-hashes", "-r", ".ci/requirements-outside.txt")
    session.install("--no-deps", "-e", ".")
    session.run("pytest", "tests/outside", "-m", "outside", "--durations=5", *session.posargs)


@nox.session
def package(session: nox.Session) -> None:
    """The wheel and the sdist: built, looked into, and run where there is neither this repository nor a network."""
    session.install("--no-deps", "--require-hashes", "-r", ".ci/requirements-package.txt")
    session.run("pytest", "tests/package", "-m", "package", "-rs", "--durations=5", *session.posargs)


@nox.session
def container(session: nox.Session) -> None:
    """The container, built from its recipe on a Debian made here, and run (Debian's Podman; root)."""
    install(session)
    patience = ("-o", "faulthandler_timeout=600")  # an image is built before the first test
    session.run(
        "pytest", "tests/container", "tests/addon/test_image.py", "-rs", "--durations=5", *patience, *session.posargs
    )


@nox.session
def faults(session: nox.Session) -> None:
    """Against everything that can go wrong on purpose: in memory under a virtual clock, and real processes killed for real.

    `ROUNDS=500 nox -s faults -- -k being_killed` kills as often as that, `nox -s faults -- -k test_campaign --examples 10000`
    plays as many scenarios.
    """
    install(session)
    # Who asks for more of something waits for it; a test that hangs is found otherwise.
    asked = CAMPAIGN & os.environ.keys() or any(each.startswith("--examples") for each in session.posargs)
    patience = ("-o", "faulthandler_timeout=0") if asked else ()
    where = ("pytest", "-rs", "--durations=10", "tests/integration", "tests/faults", *patience)
    if session.posargs:
        session.run(*where, "-n", "auto", *session.posargs)
    else:
        session.run(*where, "-n", "auto", "-m", "not alone")
        session.run(*where, "-m", "alone")
