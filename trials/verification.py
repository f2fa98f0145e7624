"""Verification: that a run folder is what its run left, and that a package is what was packaged and says what it holds.

Exit codes of ``trialtwin verify``: 0, everything that is there was checked and is well; 1, there are findings; 2, the
folder is no package or the command was not understood.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trials.bag import BAGIT, STATUS, info, payload, signed, tags
from trials.errors import TrialError
from trials.trust.contents import CHECKS, Check
from trials.trust.enclosure import HEAD
from trials.trust.finding import Finding, Outcome, Report, State
from trials.trust.fixity import payload_findings, tag_findings
from trials.trust.inspecting import log_findings, signatures
from trials.trust.rerun import Rerun
from trials.trust.run_folder import FOLDER_MANIFEST, check, read_manifest

__all__ = ["FOLDER_MANIFEST", "Finding", "Report", "check", "fixity", "is_draft", "read_manifest", "verify"]

UNCHANGED = "the files, the log or the signatures are not as they were left"


def verify(folder: str | Path, *, rerun: int = 0, seed: int = 0) -> Report:
    """Verify a package: every byte, the log, the signatures; then, where these are well, what it holds.

    Parameters
    ----------
    folder
        Folder of the package.
    rerun
        Replicates of each scenario that are simulated again and compared bit for bit.
    seed
        Which replicates these are follows from it.

    Raises
    ------
    TrialError
        `folder` is no package.
    """
    bag = Path(folder)
    if not (bag / BAGIT).is_file():
        raise TrialError(
            f"verify: {bag} is no package of a run (it has no {BAGIT}); name the folder that `package` made"
        )
    outcomes = [*_fixity(bag)]
    unchanged = all(outcome.state != "failed" for outcome in outcomes)
    checks: tuple[Check | Rerun, ...] = (*CHECKS, Rerun(rerun, seed))
    outcomes += [each(bag) if unchanged else each.undone(UNCHANGED) for each in checks]
    findings = tuple(finding for outcome in outcomes for finding in outcome.findings)
    return Report(bag, (*tags(bag), *payload(bag), *signed(bag)), findings, tuple(outcomes))


def fixity(bag: Path) -> tuple[Finding, ...]:
    """List what is wrong with the files, the log and the signatures of a package."""
    return tuple(finding for outcome in _fixity(bag) for finding in outcome.findings)


def is_draft(bag: Path) -> bool:
    """Whether a package was made as a draft."""
    return STATUS in info(bag)


def _fixity(bag: Path) -> Iterator[Outcome]:
    name, what = "files", "every file is the one that was packaged"
    yield _outcome(name, what, (*tag_findings(bag), *payload_findings(bag)))
    name, what = "audit log", "the chain of the log is whole and ends where bag-info.txt says"
    wrong, there = tuple(log_findings(bag)), HEAD in info(bag)
    yield _outcome(name, what, wrong, "" if there else "the run was made by a version that kept no log", there=there)
    held, wrong = signatures(bag)
    note = "; ".join(map(str, held)) or "nobody has signed this package"
    yield _outcome("signatures", "every signature holds, of somebody who may sign it", wrong, note, there=bool(held))
    if is_draft(bag):
        yield Outcome("status", "it is no draft", "not done", info(bag)[STATUS])


def _outcome(name: str, what: str, findings: tuple[Finding, ...], note: str = "", *, there: bool = True) -> Outcome:
    state: State = "failed" if findings else "passed" if there else "absent"
    return Outcome(name, what, state, note, findings)
