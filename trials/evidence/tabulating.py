"""The tabulations of a package: SDTM of every example trial, its metadata and guide, and what checks found in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trials.evidence.sdtm import tables
from trials.evidence.transport import dataset_json, define, xpt
from trials.evidence.writing import write_csv

if TYPE_CHECKING:
    from trials.evidence.answers import Answers
    from trials.evidence.conformance import Finding
    from trials.evidence.study import Example, Study
    from trials.evidence.table import Table

SDTM = "m5/datasets/{study}/tabulations/sdtm"
TRIAGE = ("study", "check", "rule", "data set", "records", "finding", "whose matter", "explanation")
GUIDE = "csdrg.pdf"
OPEN = "NOT EXPLAINED"


@lru_cache(maxsize=4)
def tabulated(example: Example) -> tuple[Table, ...]:
    """SDTM of an example trial, made once; whoever reads it leaves it as it is."""
    return tables(example)


def write_tabulations(study: Study, answers: Answers, folder: Path) -> None:  # noqa: ARG001
    """Write the data sets of every example trial as transport files and Dataset-JSON, with their define.xml."""
    for example in study.examples:
        place = folder / SDTM.format(study=example.study.lower())
        copies = place.parents[1] / "misc" / "dataset-json" / "sdtm"
        for each in (place, copies):
            each.mkdir(parents=True, exist_ok=True)
        made = tabulated(example)
        for table in made:
            xpt.write(table, place / f"{table.name.lower()}.xpt", study.finished)
            dataset_json.write(table, copies / f"{table.name.lower()}.json", study.finished, example.study)
        title = f"{study.trial.title}: {example.scenario.name}, replicate {example.replicate}"
        define.write(made, place / "define.xml", when=study.finished, standard="sdtm", study=example.study, title=title,
                     documents={GUIDE: "Clinical Study Data Reviewer's Guide"})  # fmt: skip


def write_guides(study: Study, answers: Answers, folder: Path) -> None:
    """Write the reviewer's guide of every example trial, and ``validation/core-triage.csv``: every finding explained.

    The report of CDISC CORE is read from ``validation/core.json``, where it was run.
    """
    from trials.evidence.conformance import check
    from trials.evidence.reports import write
    from trials.evidence.sdtm.guide import csdrg

    ran = json.loads((folder / "validation" / "core.json").read_text(encoding="utf-8"))
    rows: list[tuple[object, ...]] = []
    for example in study.examples:
        place = SDTM.format(study=example.study.lower())
        core = ran["reports"][place] if ran["run"] else None
        findings = check(tabulated(example))
        guide = csdrg(example, findings, core, made=tabulated(example))
        write(replace(guide, date=study.finished, study=example.study, draft=answers.draft), folder / place, ("pdf",))
        rows += [*_ours(example, findings), *_theirs(example, core)]
    write_csv(folder / "validation" / "core-triage.csv", TRIAGE, rows)


def _ours(example: Example, findings: tuple[Finding, ...]) -> Iterator[tuple[object, ...]]:
    """Findings of our own checks; there is none in a data set that is as it should be, so none is explained."""
    for one in findings:
        yield example.study, "trialtwin", one.rule, one.data_set, None, one.message, "", OPEN


def _theirs(example: Example, core: Mapping[str, Any] | None) -> Iterator[tuple[object, ...]]:
    """Findings of CDISC CORE, and rules that it could not execute, with what is known of them."""
    from trials.evidence.sdtm.triage import explained, reported

    for one in reported(core) if core is not None else ():
        known = explained(one)
        matter, why = (known.matter, known.why) if known else ("", OPEN)
        yield example.study, "CDISC CORE", one.rule, one.data_set, one.records, one.message, matter, why
