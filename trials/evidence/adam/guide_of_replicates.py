"""The reviewer's guide of the data sets of all replicates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trials.evidence.adam.guide import SIMULATED, overview, variables_of
from trials.evidence.reports.document import Bullets, Code, Document, Paragraph, Section
from trials.evidence.table import Table

if TYPE_CHECKING:
    from trials.evidence.study import Study

CODE = """from trials.evidence.adam import outcomes
from trials.evidence.transport import xpt
from trials.operating import characteristics

print(characteristics(*outcomes(xpt.read("adsim.xpt"))))"""


def adrg_of_replicates(study: Study, name: str, tables: Sequence[Table]) -> Document:
    """Analysis data reviewer's guide of ADSIM and ADOC.

    Parameters
    ----------
    study
        The run.
    name
        STUDYID of the data sets.
    tables
        The data sets.
    """
    scenarios = [f"{one.name}: {one.description}" for one in study.trial.scenarios]
    purpose = (
        f"These data sets hold the analysis results of every simulated trial, and what they come to. {SIMULATED} "
        "They have no subjects: a record of ADSIM is one analysis of one simulated trial, and one of ADOC an operating "
        "characteristic with its Monte Carlo standard error."
    )  # fmt: skip
    return Document(
        name="adrg",
        title="Analysis Data Reviewer's Guide",
        subtitle=f"{name}: all simulated trials of {study.trial.title}",
        date=study.finished[:10],
        about=(("Study", name), ("Date", study.finished[:10]), ("Data", SIMULATED)),
        sections=(
            Section("Introduction", (Paragraph(purpose),)),
            Section("Scenarios", (Bullets(scenarios),)),
            Section(
                "How the characteristics follow from the results",
                (
                    Paragraph(
                        "A replicate that failed is counted and takes no decision. Transport files hold no infinite "
                        "number: INFINITE names the variables of a record that are. Every characteristic comes out of "
                        "ADSIM again:"
                    ),
                    Code(CODE),
                ),
            ),
            Section("Analysis data set descriptions", (overview(tables),), [
                Section(f"{table.name}: {table.label}", (variables_of(table),)) for table in tables
            ]),
        ),
    )  # fmt: skip
