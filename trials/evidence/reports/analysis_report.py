"""The model analysis report, with the sections of ICH M15, appendix 2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trials.evidence.reports import characteristics
from trials.evidence.reports import model_sections as model
from trials.evidence.reports import trial_sections as trial
from trials.evidence.reports.assessment import assessed, context_of_use, criteria_found, judged_all, tally
from trials.evidence.reports.content import MANIFEST, document, pictures, said
from trials.evidence.reports.document import Block, Bullets, Code, Document, Grid, Paragraph, Section, Trace
from trials.evidence.reports.fit_sections import fit
from trials.evidence.reports.lock import locked
from trials.evidence.reports.missing import not_given
from trials.report_tables import with_error

if TYPE_CHECKING:
    from trials.evidence.answers import Answers
    from trials.evidence.study import Study


def analysis_report(study: Study, answers: Answers) -> Document:
    """The report."""
    sections = [
        Section("Executive summary", [*_executive(study, answers), assessed(study, answers)]),
        Section("Introduction", [Paragraph(said(answers.question)), context_of_use(answers)]),
        Section("Objectives", _objectives(study, answers)),
        Section(
            "Data and methods",
            [],
            [
                model.data(study, answers),
                model.structure(study),
                model.population(study),
                model.assumptions(answers),
                trial.design(study),
                trial.handling(study),
                Section("Scenarios", [trial.scenarios(study, answers)]),
            ],
        ),
        Section(
            "Results",
            [],
            [
                fit(study),
                model.evaluation(study, answers),
                Section("Simulated trials", [*pictures(study, "power"), characteristics.decisions(study)]),
                Section("Technical criteria", criteria_found(study, answers)),
            ],
        ),
        Section(
            "Discussion",
            [Paragraph(f"**Appropriateness.** {said(answers.appropriateness)}")],
            [
                model.limits(study),
                Section("Deviations from the plan", _deviations(answers)),
            ],
        ),
        Section("Conclusions", _conclusions(study, answers)),
        Section("Appendices", [_plan()], [locked(study, answers), _code(study)]),
        *not_given(answers),
    ]
    return document(study, answers, "mar", "Model analysis report", sections)


def _executive(study: Study, answers: Answers) -> list[Block]:
    found = judged_all(study, answers)
    listed = [
        f"{one.criterion.statement} Found {with_error(one.value, one.mcse)}: {'met' if one.met else '**not met**'}."
        for one in found
    ]
    return [
        Paragraph(f"**Question.** {said(answers.question)}"),
        Paragraph(
            f"{study.manifest['replicates']:,} trials were simulated under each of {len(study.trial.scenarios)} "
            f"scenarios. {tally(found)}{':' if found else '.'}"
        ),
        *([Bullets(listed)] if listed else []),
        *trial.shortfall(study, answers),
        Paragraph(f"**Conclusion of the reviewer.** {said(answers.verdict.statement)}"),
    ]


def _objectives(study: Study, answers: Answers) -> list[Block]:
    return [
        Paragraph("To find out, for each of these, what the trial would do under every scenario:"),
        Bullets([said(one.statement) for one in answers.criteria] or [said(None)]),
        Paragraph(f"Scenarios: {', '.join(f'`{one.name}`' for one in study.trial.scenarios)}."),
    ]


def _deviations(answers: Answers) -> list[Block]:
    if "deviations" in answers.missing:
        return [Paragraph("Whether there were any was **not given**.")]
    if not answers.deviations:
        return [Paragraph("There were none, as those who stand for this report state.")]
    rows = [(one.what, said(one.why), said(one.effect)) for one in answers.deviations]
    return [Grid("Deviations from the plan.", ("Deviation", "Why", "Effect on the answer"), rows, widths=(1, 1, 1))]


def _conclusions(study: Study, answers: Answers) -> list[Block]:
    found = judged_all(study, answers)
    missed = ", ".join(f"`{one.criterion.name}`" for one in found if not one.met)
    met = f"{tally(found)}{f'; not met: {missed}' if missed else ''}."
    return [
        Paragraph(met),
        Paragraph(f"**Adequacy for the context of use.** {said(answers.verdict.statement)}"),
    ]


def _plan() -> Paragraph:
    return Paragraph(
        "The model analysis plan is an appendix of this report: `m5/map.pdf`. The statistical analysis plan is "
        "`m5/sap.pdf`. Priors are in `model/priors.json`, model files in `model`, settings in "
        "`provenance/config-resolved.yaml`, programs of the analyses beside the analysis data sets in `m5/datasets`."
    )


def _code(study: Study) -> Section:
    manifest = study.manifest
    return Section(
        "Code",
        [
            Paragraph("The run is repeated, and its outcomes are compared bit for bit, by:"),
            Code("bash validation/reproduce.sh"),
            Grid(
                "What made the numbers.",
                ("What", "SHA-256"),
                [(name, f"`{digest}`") for name, digest in manifest["digests"].items()],
                trace=Trace(MANIFEST, "digests", "SHA-256", "trials.manifest"),
                widths=(2, 8),
            ),
        ],
    )
