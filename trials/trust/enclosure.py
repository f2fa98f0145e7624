"""What trust adds to a package: the log of the run, its head, and how a stranger verifies all of it."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from trials.bag import AUDIT, TAGMANIFEST, digest
from trials.trust import audit
from trials.trust.roles import PEOPLE, rendered

if TYPE_CHECKING:
    from trials.evidence.answers import Answers

HEAD = "Audit-Head"
"""Field of ``bag-info.txt`` with the head of the packaged log."""
PACKAGED = "packaged"
"""Action of the line that tells of a package; a package is the same whether or not there were others before it."""
HANDOUT = {"HOW-TO-VERIFY.txt": "HOW-TO-VERIFY.txt", "verify.py": "standalone.py"}
"""Tag files for a verifier without this program, and the files of this package they are copies of."""


def write_log(run: Path, bag: Path) -> audit.Head | None:
    """Copy the log of a run into a package, without what its end says of other packages; None when it has none.

    Raises
    ------
    TrialError
        When the log is damaged.
    """
    log = audit.Log(run / audit.LOG)
    if not log.path.is_file():
        return None
    entries = list(log.entries())
    while entries and entries[-1].action == PACKAGED:
        entries.pop()
    target = bag / AUDIT
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(b"".join(entry.line for entry in entries))
    return audit.Log(target).head()


def write_handout(bag: Path) -> None:
    """Write the tag files that tell a stranger how to verify the package."""
    for name, source in HANDOUT.items():
        (bag / name).write_bytes(files("trials.trust").joinpath(source).read_bytes())


def note_packaged(run: Path, bag: Path, actor: str | None = None) -> None:
    """Tell the run's log of a package that `actor` made of it, by the digest of its tag manifest."""
    if (run / audit.LOG).is_file():
        audit.append(run, PACKAGED, TAGMANIFEST, new=f"sha512:{digest(bag / TAGMANIFEST, 'sha512')}", actor=actor)


def write_people(study: object, answers: Answers, folder: Path) -> None:  # noqa: ARG001 - every part takes a study
    """Write ``audit/roles.json``: who may sign the package in which role, with which key."""
    path = folder.parent / PEOPLE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(rendered(answers.signers))
