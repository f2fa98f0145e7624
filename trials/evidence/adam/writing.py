"""The analysis part of a package: data sets, their metadata and guide, programs and results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from trials.evidence.adam.building import selected, tables
from trials.evidence.adam.conformance import check
from trials.evidence.adam.guide import adrg
from trials.evidence.adam.guide_of_replicates import adrg_of_replicates
from trials.evidence.adam.programs import programs
from trials.evidence.adam.reporting import reporting_event, reporting_event_of_replicates
from trials.evidence.adam.results import displays, displays_of_replicates, results, treatments
from trials.evidence.adam.simulated import replicates
from trials.evidence.sdtm.plan import read
from trials.evidence.study import Example, Study, identifier
from trials.evidence.tabulating import tabulated
from trials.evidence.transport import dataset_json, define, xpt
from trials.evidence.writing import write_json, write_text

if TYPE_CHECKING:
    from trials.evidence.answers import Answers
    from trials.evidence.reports.document import Document
    from trials.evidence.table import Table
    from trials.evidence.transport.results import Display

FOLDER = "m5/datasets"


def write(study: Study, answers: Answers | None, folder: Path) -> None:
    """Write the analysis data sets of every example trial, and those of all replicates, below a payload folder.

    Each study identifier has ``analysis/adam/datasets`` (transport files, define.xml, reviewer's guide),
    ``analysis/adam/programs`` (of examples), and ``misc`` (Dataset-JSON, ``ars.json``).
    """
    draft = answers is not None and answers.draft
    for example in study.examples:
        _example(study, example, folder / FOLDER / example.study.lower(), draft=draft)
    name = identifier(study.trial, study.manifest)
    made = replicates(study)
    place = folder / FOLDER / name.lower()
    guide = replace(adrg_of_replicates(study, name, made), draft=draft)
    _data(made, place, study, name, displays_of_replicates(study), guide)
    write_json(place / "misc" / "ars.json", reporting_event_of_replicates(study, name))


def _example(study: Study, example: Example, place: Path, *, draft: bool) -> None:
    sdtm = tabulated(example)
    made, chosen = tables(example, sdtm), selected(example, sdtm)
    found = results(study, example, chosen)
    guide = adrg(study, example, made, found, selections=chosen, findings=check(made, sdtm))
    _data(made, place, study, example.study, displays(example, found), replace(guide, draft=draft))
    named = treatments(read(example.trial.name))
    for name, text in programs(example, found, chosen, named).items():
        write_text(place / "analysis" / "adam" / "programs" / name, text)
    write_json(place / "misc" / "ars.json", reporting_event(study, example, found, named))


def _data(
    made: Sequence[Table], place: Path, study: Study, name: str, shown: Sequence[Display], guide: Document
) -> None:
    """Data sets in both forms, their define.xml and the reviewer's guide."""
    from trials.evidence.reports import write as write_document

    data, copies = place / "analysis" / "adam" / "datasets", place / "misc" / "dataset-json" / "adam"
    for folder in (data, copies):
        folder.mkdir(parents=True, exist_ok=True)
    for table in made:
        xpt.write(table, data / f"{table.name.lower()}.xpt", study.finished)
        dataset_json.write(table, copies / f"{table.name.lower()}.json", study.finished, name)
    define.write(
        made, data / "define.xml", when=study.finished, standard="adam", study=name, title=study.trial.title,
        results=shown, documents={"adrg.pdf": "Analysis Data Reviewer's Guide"},
    )  # fmt: skip
    write_document(replace(guide, study=name), data, ("pdf",))
