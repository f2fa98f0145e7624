"""Checks of a package while it is made: what each of them found, in a file of its own."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from trials.errors import TrialError
from trials.evidence.writing import write_json, write_text
from trials.trust.contents import CHECKS, Check
from trials.trust.finding import Outcome

if TYPE_CHECKING:
    from trials.evidence.study import Study

CRATE = "RO-Crate"
LATER = (CRATE, "label", "run", "copies", "numbers")
"""Checks that need the whole package, or that compare its parts: `trialtwin verify` makes them."""
TIMES = ("seconds", "time", "runtime")


def write_schemas(study: Study, answers: object, folder: Path) -> None:  # noqa: ARG001
    """Write ``validation/checks.json`` and ``validation/define-xsd.txt``: files against the form of their standard.

    Raises
    ------
    TrialError
        When something in the package is not valid: it is never packaged then.
    """
    outcomes = [check(folder.parent) for check in CHECKS if check.name not in LATER]
    refuse(outcomes)
    write_json(folder / "validation" / "checks.json", [plain(one) for one in outcomes])
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.glob("m5/**/define.xml"))
    lines = [f"{path}: valid by the XML schema of Define-XML 2.1 with ARM 1.0" for path in paths]
    absent = "There is no define.xml in this package: it has no data sets of example trials."
    write_text(folder / "validation" / "define-xsd.txt", "\n".join(lines) or absent)


def write_crate_check(study: Study, answers: object, folder: Path) -> None:  # noqa: ARG001
    """Write ``validation/crate.json``: whether the RO-Crate lists every file that was there by then."""
    outcome = named(CRATE)(folder.parent)
    refuse([outcome])
    write_json(folder / "validation" / "crate.json", plain(outcome))


def write_fhir(study: Study, answers: object, folder: Path) -> None:  # noqa: ARG001
    """Write ``validation/fhir.json``: no run holds a patient's record, so there is no FHIR bundle to validate."""
    reason = "A run simulates virtual subjects; it holds no digital twin of a person and so no FHIR bundle."
    write_json(folder / "validation" / "fhir.json", {"applies": False, "reason": reason})


def write_core(study: Study, answers: object, folder: Path, core: str = "") -> None:  # noqa: ARG001
    """Write ``validation/core.json``: what CDISC CORE found, or that it was not asked.

    Parameters
    ----------
    study, answers, folder
        As every part.
    core
        Command that runs CORE on a folder of transport files; ``{data}``, ``{define}`` and ``{out}`` in it stand for
        that folder, its define.xml, and the JSON file it is to write.

    Raises
    ------
    TrialError
        When the command fails or leaves no report.
    """
    path = folder / "validation" / "core.json"
    if not core:
        reason = "not run when this was packaged (--core runs it); our own checks' findings are in core-triage.csv"
        write_json(path, {"run": False, "reason": reason})
        return
    found = {}
    for place in sorted(folder.glob("m5/datasets/*/tabulations/sdtm")):
        found[place.relative_to(folder).as_posix()] = _core(core, place)
    write_json(path, {"run": True, "reports": found})


def _core(command: str, place: Path) -> object:
    with TemporaryDirectory() as away:
        out = Path(away) / "core.json"
        words = [word.format(data=place, define=place / "define.xml", out=out) for word in shlex.split(command)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode or not out.is_file():
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise TrialError(f"--core: the command ended with {done.returncode} and left no report: {''.join(last)}")
        return _timeless(json.loads(out.read_text(encoding="utf-8")), str(place))


def _timeless(value: Any, place: str) -> Any:
    """A report without what differs between two computers: times, and the folder it looked at."""
    if isinstance(value, dict):
        return {name: _timeless(item, place) for name, item in value.items() if name not in TIMES}
    if isinstance(value, list):
        return [_timeless(item, place) for item in value]
    return value.replace(place, ".") if isinstance(value, str) else value


def named(name: str) -> Check:
    """Check of that name."""
    return next(check for check in CHECKS if check.name == name)


def plain(outcome: Outcome) -> dict[str, Any]:
    """An outcome as JSON holds it."""
    about = {"check": outcome.name, "what": outcome.what, "state": outcome.state, "note": outcome.note}
    return about | {"findings": [str(finding) for finding in outcome.findings]}


def refuse(outcomes: list[Outcome]) -> None:
    """Refuse a package that is not valid.

    Raises
    ------
    TrialError
        Listing what is not.
    """
    failed = [str(finding) for one in outcomes if one.state == "failed" for finding in one.findings]
    if failed:
        raise TrialError("package: what was made is not valid:\n  " + "\n  ".join(failed))
