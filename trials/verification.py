"""Verification: that a run folder is what its run left, and that a package is what was packaged and says what it holds.

Exit codes of ``trialtwin verify``: 0, everything that is there was checked and is well; 2, the folder is no package or
the command was not understood; those of findings are in `trials.trust.finding.CODES`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trials.bag import BAGIT, SIGNATURES, STATUS, info, is_draft, payload, signed, tags
from trials.errors import TrialError
from trials.trust.contents import CHECKS, Check
from trials.trust.enclosure import HEAD
from trials.trust.finding import Finding, Outcome, Report, State
from trials.trust.fixity import payload_findings, tag_findings
from trials.trust.inspecting import log_findings, signatures
from trials.trust.keys import PublicKey
from trials.trust.releasing import REJECTED, RELEASED
from trials.trust.remade import Remade
from trials.trust.rerun import Rerun
from trials.trust.run_folder import FOLDER_MANIFEST, check, read_manifest
from trials.trust.signature import Signature

__all__ = ["FOLDER_MANIFEST", "Finding", "Report", "Wanted", "check", "fixity", "read_manifest", "verify"]

UNCHANGED = "the files, the log or the signatures are not as they were left"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Signatures that a package must have to be verified.

    Attributes
    ----------
    keys
        Public keys that were told by another way than the package; each of them must have signed it. What a package
        says of its own keys, whoever makes it anew can say too.
    released
        Whether it must be released.
    """

    keys: tuple[PublicKey, ...] = ()
    released: bool = False


def verify(folder: str | Path, *, rerun: int = 0, seed: int = 0, wanted: Wanted | None = None) -> Report:
    """Verify a package: every byte, the log, the signatures; then, where these are well, what it holds.

    Parameters
    ----------
    folder
        Folder of the package.
    rerun
        Replicates of each scenario that are simulated again and compared bit for bit; with any, data sets of example
        trials are made again and compared too.
    seed
        Which replicates these are follows from it.
    wanted
        Signatures it must have; None: those that are there must hold.

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
    outcomes = [*_fixity(bag, wanted or Wanted())]
    unchanged = all(outcome.state != "failed" for outcome in outcomes)
    checks: tuple[Check | Rerun | Remade, ...] = (*CHECKS, Remade(rerun > 0), Rerun(rerun, seed))
    outcomes += [each(bag) if unchanged else each.undone(UNCHANGED) for each in checks]
    findings = tuple(finding for outcome in outcomes for finding in outcome.findings)
    return Report(bag, (*tags(bag), *payload(bag), *signed(bag)), findings, tuple(outcomes))


def fixity(bag: Path) -> tuple[Finding, ...]:
    """List what is wrong with the files, the log and the signatures of a package."""
    return tuple(finding for outcome in _fixity(bag, Wanted()) for finding in outcome.findings)


def _fixity(bag: Path, wish: Wanted) -> Iterator[Outcome]:
    name, what = "files", "every file is the one that was packaged"
    yield _outcome(name, what, (*tag_findings(bag), *payload_findings(bag)), kind="files")
    name, what = "audit log", "the chain of the log is whole and ends where bag-info.txt says"
    wrong, there = tuple(log_findings(bag)), HEAD in info(bag)
    yield _outcome(name, what, wrong, "" if there else "the run was made by a version that kept no log", there=there,
                   kind="log")  # fmt: skip
    held, wrong = signatures(bag)
    note = "; ".join(map(str, held)) or "nobody has signed this package"
    what = "every signature holds, of somebody who may sign it"
    yield _outcome("signatures", what, wrong, note, there=bool(held), kind="signatures")
    yield from _wanted(wish, held)
    if is_draft(bag):
        yield Outcome("status", "it is no draft", "not done", info(bag)[STATUS])


def _wanted(wish: Wanted, held: tuple[Signature, ...]) -> Iterator[Outcome]:
    """Say whether the signatures that somebody asks for are there."""
    what, meanings = "the signatures that were asked for are there", {each.meaning for each in held}
    released = RELEASED in meanings and REJECTED not in meanings
    wrong = [Finding(SIGNATURES, "holds no release that is valid")] if wish.released and not released else []
    wrong += [
        Finding(SIGNATURES, f"holds no valid signature of the key {key.text}")
        for key in wish.keys
        if key not in [each.key for each in held]
    ]
    if wish.released or wish.keys:
        note = "; ".join([*["released"] * wish.released, *(f"key {key.name}" for key in wish.keys)])
        yield _outcome("asked for", what, tuple(wrong), note, kind="signatures")


def _outcome(
    name: str, what: str, findings: tuple[Finding, ...], note: str = "", *, there: bool = True, kind: str
) -> Outcome:
    state: State = "failed" if findings else "passed" if there else "absent"
    return Outcome(name, what, state, note, findings, kind)
