"""The documents of a package, as parts of it: each is written into its folder of the payload."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from trials.evidence.credibility import assess
from trials.evidence.factors import FACTORS
from trials.evidence.reports import FORMATS, write
from trials.evidence.reports.analysis_report import analysis_report
from trials.evidence.reports.assessment import judged_all
from trials.evidence.reports.cover_letter import cover_letter
from trials.evidence.reports.credibility_report import credibility_report
from trials.evidence.reports.document import Document
from trials.evidence.reports.model_plan import model_plan
from trials.evidence.reports.qualification import qualification
from trials.evidence.reports.simulation_report import simulation_report
from trials.evidence.reports.statistical_plan import statistical_plan
from trials.evidence.reports.summary import summary
from trials.evidence.writing import write_json

if TYPE_CHECKING:
    from trials.evidence.answers import Answers
    from trials.evidence.study import Study

type Make = Callable[[Study, Answers], Document]
DOCUMENTS: Mapping[str, tuple[Make, str]] = {
    "cover-letter": (cover_letter, "m1"),
    "summary": (summary, "m2"),
    "sap": (statistical_plan, "m5"),
    "map": (model_plan, "m5"),
    "mar": (analysis_report, "m5/reports"),
    "simulation-report": (simulation_report, "m5/reports"),
    "credibility-report": (credibility_report, "m5/reports"),
    "iq-oq-pq": (qualification, "validation"),
}
"""Each document with what makes it and its folder."""


def write_documents(study: Study, answers: Answers, folder: Path) -> None:
    """Write every document as PDF, HTML and DOCX."""
    for make, place in DOCUMENTS.values():
        write(make(study, answers), folder / place, FORMATS)


def write_assessment(study: Study, answers: Answers, folder: Path) -> None:
    """Write ``assessment-table.json`` (ICH M15) and ``credibility.json`` (V&V 40) of the model, and the answers."""
    simulated = "SIMULATED DATA: virtual subjects."
    criteria = [
        {**asdict(one.criterion), "value": one.value, "mcse": one.mcse, "replicates": one.replicates, "met": one.met}
        for one in judged_all(study, answers)
    ]
    stated = {
        name: asdict(getattr(answers, name))
        for name in ("context", "influence", "consequence", "risk", "impact", "verdict")
    }
    table = {"simulated": simulated, "question": answers.question, **stated, "appropriateness": answers.appropriateness}
    write_json(
        folder / "model" / "assessment-table.json", table | {"criteria": criteria, "missing": list(answers.missing)}
    )
    factors = [{**asdict(one), "title": FACTORS[one.name].title, "gap": one.gap} for one in assess(study, answers)]
    write_json(folder / "model" / "credibility.json", {"simulated": simulated, "factors": factors})
    write_json(folder / "provenance" / "answers.json", {"simulated": simulated, **asdict(answers)})
