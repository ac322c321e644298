"""The error families, named by what to do now.

* `Transient`: try again later; nobody has to act.
* `Refused`: trying again changes nothing until a person acts; `remedy` says how.

Anything else is a bug and ends the process: systemd restarts it and the spool is intact.
"""

from __future__ import annotations


class IngestError(Exception):
    """What the two families share: a sentence, and where it happened.

    `where` names the thing on the other side (a URL without credentials, a file, a setting).
    """

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        todo = f". {self.remedy}" if self.remedy else ""
        return f"{self.said}{todo}"

    @property
    def said(self) -> str:
        """What happened, and where; without what to do about it."""
        return f"{self.what} ({self.where})" if self.where else self.what


class Transient(IngestError):  # noqa: N818  named by remedy, not by kind
    """Try again later. `retry_after` is the peer's own wish in seconds, when it said one."""

    def __init__(self, what: str, *, where: str = "", remedy: str = "", retry_after: float | None = None) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.retry_after = retry_after


class Refused(IngestError):  # noqa: N818  named by remedy, not by kind
    """A person must act: `remedy` says what to do."""


class Problems(Refused):
    """Every problem of a configuration at once; `problems` holds one sentence each."""

    def __init__(self, problems: tuple[str, ...], *, where: str = "") -> None:
        super().__init__("\n".join(problems), where=where)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(self.problems)
