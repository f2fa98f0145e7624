"""What a verification found, and how it went."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

type State = Literal["passed", "failed", "absent", "not done"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be: the file (or the number in it) and a sentence."""

    path: str
    message: str

    def __str__(self) -> str:
        """One line for the user."""
        return f"{self.path}: {self.message}"


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
    """

    name: str
    what: str
    state: State
    note: str = ""
    findings: tuple[Finding, ...] = ()

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
        """Exit status of the command: 0 when all is well, else 1."""
        return 0 if self.ok else 1

    @property
    def verdict(self) -> str:
        """All of it in one line."""
        verdict = "verified" if self.ok else f"NOT as it was left: {len(self.findings)} finding(s)"
        return f"{self.target}: {verdict} ({len(self.checked)} files)"

    def __str__(self) -> str:
        """Write the verdict, then one line a check or a finding."""
        lines = map(str, self.outcomes or self.findings)
        return "\n".join([self.verdict, *(f"  {line}" for each in lines for line in each.splitlines())])
