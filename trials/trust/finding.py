"""What a verification found, and how it went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

type State = Literal["passed", "failed", "absent", "not done"]

CODES: Mapping[str, tuple[int, str]] = MappingProxyType({
    "files": (3, "a file was changed, removed, added, or is not where the manifests say"),
    "log": (4, "the audit log was changed, cut, or ends elsewhere than bag-info.txt says"),
    "signatures": (5, "a signature does not hold, should not be there, or is missing though it was asked for"),
    "form": (6, "a file has not the form of its standard"),
    "conformance": (7, "data sets break rules of their standard that nobody explained"),
    "agreement": (8, "the same thing is not the same wherever the package says it"),
    "people": (9, "something looks like an identifier of a real person, or their data are there without leave"),
    "rerun": (10, "simulated again, replicates come out otherwise"),
})  # fmt: skip
"""Exit code of ``trialtwin verify`` by the kind of a check that failed, and what it says; the first counts. 0 is that
all is well, 2 that there is no package or that the command was not understood, and 1 that the program itself failed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be: the file (or the number in it) and a sentence."""

    path: str
    message: str

    def __str__(self) -> str:
        """One line for the user; what is no printable letter, as a file name may hold, by its number."""
        line = f"{self.path}: {self.message}"
        return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in line)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one check went.

    Attributes
    ----------
    name, what
        Short name, and what is checked, in words.
    state
        ``passed``; ``failed``, with findings; ``absent``: the package has nothing to check; or ``not done``.
    note
        What was seen, or why nothing was.
    findings
        What is wrong.
    kind
        Which of `CODES`.
    """

    name: str
    what: str
    state: State
    note: str = ""
    findings: tuple[Finding, ...] = ()
    kind: str = "agreement"

    def __str__(self) -> str:
        """One line for the user, then one a finding."""
        line = f"{self.state:<9} {self.name}: {self.note or self.what}"
        return "\n".join([line, *(f"          - {finding}" for finding in self.findings)])


@dataclass(frozen=True, slots=True)
class Report:
    """What was verified and what was found; `ok` when nothing was.

    Attributes
    ----------
    target
        The folder.
    checked
        Its files.
    findings
        All that is wrong.
    outcomes
        How each check of a package went; empty for a run folder.
    """

    target: Path
    checked: tuple[str, ...]
    findings: tuple[Finding, ...]
    outcomes: tuple[Outcome, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether everything is as it was left."""
        return not self.findings

    @property
    def exit_code(self) -> int:
        """Exit status of the command: 0 when all is well, for a package the first of `CODES`, else 1."""
        if self.ok:
            return 0
        return min((CODES[each.kind][0] for each in self.outcomes if each.state == "failed"), default=1)

    @property
    def verdict(self) -> str:
        """All of it in one line."""
        verdict = "verified" if self.ok else f"NOT as it was left: {len(self.findings)} finding(s)"
        return f"{self.target}: {verdict} ({len(self.checked)} files)"

    def __str__(self) -> str:
        """Write the verdict, then one line a check or a finding."""
        lines = map(str, self.outcomes or self.findings)
        return "\n".join([self.verdict, *(f"  {line}" for each in lines for line in each.splitlines())])
