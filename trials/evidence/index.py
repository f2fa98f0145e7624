"""The start page of a package: what to open first, how every check went, and where a reviewer finds what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trials.evidence.checklist import GROUPS, located
from trials.evidence.study import identifier
from trials.evidence.writing import write_text
from trials.operating import interval

if TYPE_CHECKING:
    from trials.evidence.answers import Answers
    from trials.evidence.study import Study

FIRST = (
    ("m2/summary.pdf", "The answer on one page, with the assessment table of ICH M15"),
    ("m1/cover-letter.pdf", "What was sent, by whom, for what"),
    ("m5/map.pdf", "Model analysis plan, as locked before the run"),
    ("m5/sap.pdf", "Statistical analysis plan"),
    ("m5/reports/mar.pdf", "Model analysis report"),
    ("m5/reports/simulation-report.pdf", "Simulation report: design, scenarios, operating characteristics"),
    ("m5/reports/credibility-report.pdf", "Credibility: 13 factors, goal and reached"),
    ("validation/iq-oq-pq.pdf", "Installation, operation and performance qualified"),
    ("simulation/run/report.html", "Report of the run with its figures"),
)
"""What to open first, in this order."""
FOLDERS = (
    ("m5/datasets", "Data sets of the example trials and of all replicates: SDTM, ADaM, define.xml, reviewer's guides"),
    ("model", "Equations, priors, posterior, model card"),
    ("simulation", "Scenarios, seeds, operating characteristics, stories of virtual subjects, the run itself"),
    ("provenance", "BioCompute object, PROV, bill of materials, configuration, code"),
    ("audit", "Who did what, when and why; who may sign"),
    ("validation", "What was checked, and a script that repeats the run"),
)


def write_index(study: Study, answers: Answers, folder: Path) -> None:
    """Write ``index.html``; every place of the checklist has to be there by then."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    where = FileSystemLoader(Path(__file__).resolve().parents[1] / "templates")
    page = Environment(loader=where, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    write_text(folder / "index.html", page.get_template("package.html.j2").render(**content(study, answers, folder)))


def content(study: Study, answers: Answers, folder: Path) -> dict[str, Any]:
    """What the page says."""
    core = _read(folder, "validation/core.json", {"run": False, "reason": "no report"})
    crate = [_read(folder, "validation/crate.json", {})] if (folder / "validation" / "crate.json").is_file() else []
    return {
        "title": study.trial.title,
        "study": identifier(study.trial, study.manifest),
        "trial": study.trial.name,
        "question": answers.question or study.trial.question,
        "draft": list(answers.missing) if answers.draft else [],
        "facts": _facts(study),
        "first": [(path, what) for path, what in FIRST if (folder / path).is_file()],
        "folders": [(path, what) for path, what in FOLDERS if (folder / path).is_dir()],
        "checks": [*_read(folder, "validation/checks.json", []), *crate, _core(core)],
        "headline": _headline(study),
        "groups": GROUPS,
        "checklist": located(folder),
    }


def _facts(study: Study) -> list[tuple[str, str]]:
    manifest = study.manifest
    git = manifest["git"].get("commit", "none")[:12]
    changed = " with changes" if manifest["git"].get("changed") else ""
    return [
        ("Run finished", study.finished.replace("T", " ").replace("Z", " UTC")),
        ("Replicates of each scenario", f"{manifest['replicates']:,}"),
        ("Scenarios", ", ".join(scenario.name for scenario in study.trial.scenarios)),
        ("Seed", str(manifest["seed"])),
        ("Program", f"trialtwin {manifest['versions']['trialtwin']}, commit {git}{changed}"),
        ("Configuration", f"SHA-256 {manifest['digests']['config']}"),
        ("Outcomes", f"SHA-256 {manifest['digests']['outcomes']}"),
    ]


def _headline(study: Study) -> list[tuple[str, str, str, str]]:
    """Shares of decisions: scenario, analysis, which share, and its value with its 95 % Monte Carlo interval."""
    return [
        (scenario, analysis, name.replace("_", " "), _share(entry["value"], entry["replicates"]))
        for scenario, analyses in study.characteristics.items()
        for analysis, names in analyses.items()
        for name, entry in names.items()
        if name in ("power", "type_1_error") and entry["value"] is not None
    ]


def _share(value: float, replicates: int) -> str:
    low, high = interval(value * replicates, replicates)
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def _core(found: dict[str, Any]) -> dict[str, Any]:
    """How CDISC CORE went, as a row of the checks."""
    about = {"check": "CDISC CORE", "what": "conformance rules of the SDTM implementation guide", "findings": []}
    if not found["run"]:
        return about | {"state": "not done", "note": found["reason"]}
    note = "the report is validation/core.json; every finding is explained in core-triage.csv"
    return about | {"state": "done", "note": note}


def _read(folder: Path, path: str, otherwise: Any) -> Any:
    return json.loads((folder / path).read_text(encoding="utf-8")) if (folder / path).is_file() else otherwise
