"""Packaging: a finished run as evidence in a BagIt 1.0 bag (RFC 8493) that a stranger can verify without this program.

The payload depends on nothing but the run folder and on what people supply: packaged twice, it has the same bytes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import numpy as np

from trials.bag import (
    BAGIT,
    DATA,
    DECLARATION,
    DRAFT,
    INFO,
    MANIFEST,
    RUN,
    STATUS,
    TAGMANIFEST,
    digest,
    files,
    payload,
    render,
    tags,
)
from trials.errors import TrialError
from trials.evidence.assembling import PARTS, Part, assemble
from trials.manifest import versions
from trials.trust import audit
from trials.trust.enclosure import HEAD, labelled, note_packaged, write_handout, write_log
from trials.trust.rerun import TOLERANCE
from trials.verification import check, read_manifest

if TYPE_CHECKING:
    from trials.evidence.study import Study

type Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Wish:
    """What whoever packages may choose.

    Attributes
    ----------
    evidence
        Name in ``conf/evidence``, or file, of what people must supply; empty: the name of the trial.
    draft
        Whether answers may be missing there; the package is then marked DRAFT instead of being refused.
    core
        Command that runs CDISC CORE, as `trials.evidence.validation.outcomes.write_core` has it; empty: it is not run.
    actor
        Who packages, for the audit log; empty: as `trials.trust.audit.whoami` has it.
    """

    evidence: str = ""
    draft: bool = False
    core: str = ""
    actor: str = ""


def package(
    run: str | Path,
    out: str | Path,
    wish: Wish | None = None,
    *,
    parts: Sequence[Part] = PARTS,
    progress: Progress | None = None,
) -> Path:
    """Package the finished run folder `run` as the new folder `out`; returns its path.

    The package appears whole or not at all. ``sha512sum --check manifest-sha512.txt`` in it, any BagIt tool, and
    `trials.verify` verify it.

    Parameters
    ----------
    run, out
        Folder of the run, and folder to make.
    wish
        What people supply, how complete it must be, and by what it is checked.
    parts
        What is made beside the copy of the run.
    progress
        Told what is being made, how many parts are done and how many there are.

    Raises
    ------
    TrialError
        The run is unfinished, is not as its manifest says, what people must supply is missing, or `out` exists or lies
        inside the run.
    """
    source, target, chosen = Path(run), Path(out), wish or Wish()
    manifest = read_manifest(source)
    _refuse_target(source, target)
    report = check(source)
    if not report.ok:
        raise TrialError(f"package: {source} is not as its run left it; run it again\n{report}")
    with _whole(target) as place:
        copy = place / RUN
        for path in files(source):
            if path == audit.LOG:
                continue
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / path, copy / path)
        head = write_log(source, place)
        more = {} if head is None else {HEAD: str(head)}
        if parts:
            more |= _make(place / DATA, source, chosen, parts, progress)
        _enclose(place, manifest, more)
        note_packaged(source, place, chosen.actor or None)
    return target


def _make(folder: Path, run: Path, wish: Wish, parts: Sequence[Part], progress: Progress | None) -> dict[str, str]:
    """Write the parts; returns what ``bag-info.txt`` says of them."""
    from trials.evidence.answers import read
    from trials.evidence.study import open_study

    study = open_study(run)
    _refuse_other(study)
    answers = read(wish.evidence or study.trial.name, draft=wish.draft, trial=study.trial)
    assemble(study, answers, folder, parts, options={"core": wish.core}, progress=progress)
    return {STATUS: DRAFT} if answers.draft else {}


def _refuse_other(study: Study) -> None:
    """Refuse a run whose example trials come out otherwise here: their data would not be those of its outcomes."""
    from trials.evidence.verifying import repeated

    for one in repeated(study):
        if not np.isclose(one.again, one.stored, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
            made, here = study.manifest["versions"]["trialtwin"], versions()["trialtwin"]
            raise TrialError(
                f"package: {one.scenario}, replicate {one.replicate}, simulated again, gives {one.again!r} for "
                f"{one.analysis}, and the run has {one.stored!r}: it was made by other code (trialtwin {made}; this is "
                f"{here}). Package it with the version that made it, or run the trial again"
            )


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """Give a temporary folder that becomes `target`, or nothing when it fails."""
    target.parent.mkdir(parents=True, exist_ok=True)
    place = Path(mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield place
        place.chmod(0o755)
        place.rename(target)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise


def _refuse_target(source: Path, target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise TrialError(f"package: {target} exists already; name a new folder")
    if target.resolve().is_relative_to(source.resolve()):
        raise TrialError(f"package: {target} lies inside the run {source}; name a folder outside")


def _enclose(bag: Path, manifest: Mapping[str, Any], more: Mapping[str, str]) -> None:
    """Write the tag files around a payload, with `more` about it, the tag manifest last."""
    write_handout(bag)
    _write(bag / BAGIT, DECLARATION)
    _write(bag / MANIFEST, render({path: digest(bag / path, "sha512") for path in payload(bag)}))
    lines = {**more, **labelled(bag, manifest)}
    _write(bag / INFO, "".join(f"{name}: {value}\n" for name, value in sorted(lines.items())).encode())
    _write(bag / TAGMANIFEST, render({path: digest(bag / path, "sha512") for path in tags(bag)}))


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
