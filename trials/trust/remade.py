"""Making again, from the packaged run and answers alone, what a package says follows from them: byte for byte."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import yaml

from trials.bag import AUDIT, DATA, RUN, files, payload
from trials.errors import TOLD
from trials.manifest import source_digest
from trials.trust.audit import LOG
from trials.trust.finding import Finding, Outcome
from trials.trust.rerun import differences
from trials.trust.run_folder import read_manifest

if TYPE_CHECKING:
    from trials.evidence.answers import Answers
    from trials.evidence.study import Study

QUICK = (
    "model/equations.txt", "model/priors.json", "model/posterior.*", "simulation/scenarios.yaml",
    "simulation/seeds.csv", "simulation/operating-characteristics.csv", "provenance/config-resolved.yaml",
    "validation/reproduce.sh",
)  # fmt: skip
"""Parts that depend on the run and on nothing that people say, and that are made in a moment."""
GIVEN = ("provenance/sbom.cdx.json", "provenance/mlflow-run.json", "validation/core.json")
"""Parts that depend on something else, as the tracking store: they are taken as they are."""
LOCK = "provenance/environment.lock"
CODE = "sha256 of all source files that packaged it: "
"""Line of ``provenance/git.txt``."""
NOT_ASKED = ("missing", "digest", "plan", "simulated")
"""What the packaged answers say beyond what was answered."""


@dataclass(frozen=True, slots=True)
class Remade:
    """The check that makes a package again.

    Attributes
    ----------
    whole
        Whether all of it is made again, data sets of example trials and documents too, which takes as long as packaging
        it did; else only tables and scripts.
    """

    whole: bool = False

    name = "made again"
    what = "what follows from the run comes out of it again, byte for byte"

    def __call__(self, bag: Path) -> Outcome:
        """Make the check."""
        from trials.evidence.study import open_study

        try:
            other = differences(read_manifest(bag / RUN))
            if not packaged_by(bag):
                return Outcome(self.name, self.what, "absent", "the package does not say which code made it")
            if packaged_by(bag) != source_digest():
                other = ["the program's code", *(each for each in other if each != "the program's code")]
            if other:
                return self.undone(f"another byte would prove nothing here, since these differ: {', '.join(other)}")
            try:
                study = open_study(bag / RUN)
            except (*TOLD, OSError) as error:
                return self.undone(f"the run cannot be opened here: {error}")
            with TemporaryDirectory() as place:
                findings, note = self._compared(bag, Path(place) / DATA, study)
        except (*TOLD, OSError) as error:
            findings, note = (Finding(RUN, f"cannot be made again: {error}"),), ""
        return Outcome(self.name, self.what, "failed" if findings else "passed", note, findings, "rerun")

    def undone(self, why: str) -> Outcome:
        """Say that it was not made, and why."""
        return Outcome(self.name, self.what, "not done", why)

    def _compared(self, bag: Path, folder: Path, study: Study) -> tuple[tuple[Finding, ...], str]:
        from trials.evidence.answers import read
        from trials.evidence.provenance.settings import lock

        held = bag / DATA / LOCK
        same = held.is_file() and held.read_text(encoding="utf-8").rstrip() == lock(study).rstrip()
        if self.whole and same and (bag / AUDIT).is_file():
            _make_all(bag, folder)
            count = len(files(folder))
            return tuple(_differences(bag, folder, whole=True)), f"{count} files, which are all"
        _make(folder, study, read("template", draft=True), QUICK)
        why = "other versions are installed here" if self.whole else "`--rerun N` makes all of it again"
        return tuple(_differences(bag, folder, whole=False)), f"{len(files(folder))} files; {why}"


def packaged_by(bag: Path) -> str:
    """Digest of the source files that made a package; empty where it does not say."""
    path = bag / DATA / "provenance" / "git.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return next((line.removeprefix(CODE) for line in lines if line.startswith(CODE)), "")


def restored(bag: Path, study: Study, place: Path) -> Answers:
    """Read the answers of a package as they were read when it was made; `place` is a folder to work in."""
    from trials.evidence.answers import read

    said = json.loads((bag / DATA / "provenance" / "answers.json").read_bytes())
    path = place / "answers.yaml"
    asked = {name: value for name, value in said.items() if name not in NOT_ASKED}
    path.write_text(yaml.safe_dump(_given(asked), allow_unicode=True, sort_keys=False), encoding="utf-8")
    found = read(path, draft=True, trial=study.trial)
    return replace(found, digest=said["digest"], plan=said["plan"], missing=tuple(said["missing"]))


def _given(value: Any) -> Any:
    """Answers without what was not given."""
    if isinstance(value, dict):
        return {name: _given(each) for name, each in value.items() if each not in (None, "")}
    return [_given(each) for each in value] if isinstance(value, list) else value


def _make_all(bag: Path, folder: Path) -> None:
    """Make a payload again around the run, its log, and what does not follow from them."""
    from trials.evidence.assembling import PARTS
    from trials.evidence.study import open_study

    run = shutil.copytree(bag / RUN, folder.parent / "run")  # with its log, as the run left it
    shutil.copyfile(bag / AUDIT, run / LOG)
    study = open_study(run)
    shutil.copytree(bag / RUN, folder.parent / RUN)
    for path in (AUDIT, *(f"{DATA}/{each}" for each in GIVEN)):
        if (bag / path).is_file():
            (folder.parent / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bag / path, folder.parent / path)
    with TemporaryDirectory() as place:
        answers = restored(bag, study, Path(place))
    _make(folder, study, answers, [part.place for part in PARTS if part.place not in GIVEN])


def _make(folder: Path, study: Study, answers: Answers, places: Any) -> None:
    from trials.evidence.assembling import PARTS

    for part in PARTS:
        if part.place in places:
            part(study, answers, folder, {"core": ""})


def _differences(bag: Path, folder: Path, *, whole: bool) -> Iterator[Finding]:
    made = [f"{DATA}/{path}" for path in files(folder)]
    if whole:
        yield from (Finding(path, "follows from nothing") for path in payload(bag) if path not in made)
    for path in made:
        if not whole and path.endswith(LOCK):
            continue
        if not (bag / path).is_file():
            yield Finding(path, "is missing, though it follows from the run")
        elif (bag / path).read_bytes() != (folder.parent / path).read_bytes():
            yield Finding(path, "is not what comes out of the run")
