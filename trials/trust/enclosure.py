"""What trust adds to a package: the log of the run, its head, and how a stranger verifies all of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trials.bag import AUDIT, DRAFT, INFO, RUN, STATUS, TAGMANIFEST, digest, info, payload
from trials.trust import audit
from trials.trust.finding import Finding
from trials.trust.roles import PEOPLE, rendered

if TYPE_CHECKING:
    from trials.evidence.answers import Answers

HEAD = "Audit-Head"
"""Field of ``bag-info.txt`` with the head of the packaged log."""
PACKAGED = "packaged"
"""Action of the line that tells of a package; a package is the same whether or not there were others before it."""
HANDOUT = {"HOW-TO-VERIFY.txt": "HOW-TO-VERIFY.txt", "verify.py": "standalone.py"}
"""Tag files for a verifier without this program, and the files of this package they are copies of."""
SIMULATED = "SIMULATED DATA: all subjects are virtual; no person took part."
ASSESSED = "data/model/assessment-table.json"
"""Where a payload says which answers are missing."""


def labelled(bag: Path, manifest: Mapping[str, Any]) -> dict[str, str]:
    """Bag metadata that follow from a payload: of which run it is, and how much (Payload-Oxum: bytes and files)."""
    paths = [bag / path for path in payload(bag)]
    return {
        "Bag-Software-Agent": f"trialtwin {manifest['versions']['trialtwin']}",
        "Bagging-Date": str(manifest["finished"])[:10],
        "External-Description": SIMULATED,
        "External-Identifier": f"{manifest['trial']} sha256:{manifest['digests']['config']}",
        "Payload-Oxum": f"{sum(path.stat().st_size for path in paths)}.{len(paths)}",
        "Run-Manifest-SHA256": digest(bag / RUN / "manifest.json", "sha256"),
    }


def label(bag: Path, _: Sequence[Path]) -> Iterator[Finding]:
    """Compare ``bag-info.txt`` with what the payload holds; the head of the log is compared with the log."""
    wanted = labelled(bag, json.loads((bag / RUN / "manifest.json").read_bytes()))
    said = {name: value for name, value in info(bag).items() if name != HEAD}
    told = (bag / ASSESSED).is_file()
    if json.loads((bag / ASSESSED).read_bytes())["missing"] if told else STATUS in said:
        wanted[STATUS] = DRAFT
    for name in sorted({*said, *wanted}):
        if said.get(name) != wanted.get(name):
            yield Finding(INFO, f"says {name}: {said.get(name)}, the payload {wanted.get(name)}")


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
