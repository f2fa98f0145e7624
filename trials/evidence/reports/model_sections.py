"""What plans and reports say of the model: equations, parameters, priors, people, assumptions, data, limits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from trials import report_posterior, report_tables
from trials.evidence.reports.content import CONFIGURATION, OUTCOMES, clean, grid, pictures, result, said
from trials.evidence.reports.document import Block, Grid, Paragraph, Section, Trace
from trials.evidence.reports.model_equations import equations

if TYPE_CHECKING:
    from trials.evidence.answers import Answers
    from trials.evidence.study import Study

FROM_CONFIGURATION = Trace(CONFIGURATION, "model and population", "as configured", "trials.build")


def structure(study: Study) -> Section:
    """Equations and the typical person's parameters."""
    model = study.trial.protocol.model
    return Section(
        "Structural model",
        [
            Paragraph(f"Equations of `{model.name}` with time in {model.time}. {clean(model.reference)}"),
            *equations(model),
            grid(
                "Parameters of the equations and a typical person's values.",
                report_tables.model_parameters(model),
                FROM_CONFIGURATION,
            ),
        ],
    )


def population(study: Study) -> Section:
    """Covariates, and every number with its value or prior."""
    protocol = study.trial.protocol
    propagated = (
        "Each simulated trial draws these numbers anew, so that their uncertainty is part of the results."
        if protocol.uncertainty
        else "The numbers are set to their central values: the results hold no uncertainty about them, except in "
        "scenarios that say otherwise."
    )
    return Section(
        "Population model",
        [
            Paragraph(f"Population `{protocol.population.name}`. {clean(protocol.population.reference)} {propagated}"),
            *_covariates(study),
            grid(
                "Numbers of the population with their values or priors, and where these are from.",
                report_tables.coefficients(protocol),
                Trace("model/priors.json", "values", "as configured", "trials.build"),
            ),
        ],
    )


def _covariates(study: Study) -> list[Block]:
    table = report_tables.covariates(study.trial.protocol.population)
    if not table.rows:
        return [Paragraph("There are no covariates.")]
    return [grid("Who enrols.", table, FROM_CONFIGURATION)]


def assumptions(answers: Answers) -> Section:
    """Assumptions with their reasons and alternatives."""
    rows = [
        (str(number), one.text, said(one.why), said(one.alternatives))
        for number, one in enumerate(answers.assumptions, 1)
    ]
    table = Grid(
        "Assumptions, why they are made, and what else could be assumed.",
        ("No.", "Assumption", "Justification", "Alternatives"),
        rows,
        widths=(0.5, 3.2, 3.2, 3.2),
    )
    return Section("Assumptions", [table])


def data(study: Study, answers: Answers) -> Section:
    """Data the population was fitted to, with what was left out and why, and by which leave they are here."""
    if study.posterior is None:
        note = (
            "No data of individual people were used. The population is that of the literature, with the source of "
            "every number beside it; no number was fitted in this run."
        )
        return Section("Data", [Paragraph(note)])
    table = replace(report_posterior.data(result(study)), head=("What", "Description"))
    leave = answers.source_data
    return Section(
        "Data",
        [
            grid(
                "Data that the population was fitted to, exclusions and provenance.",
                table,
                Trace(CONFIGURATION, "data", "as configured, digest checked when read", "cohorts.calibration"),
                widths=(1.6, 8),
            ),
            *(
                [Paragraph(f"**Leave and protection of people.** {leave.licence} {leave.why}")]
                if leave is not None
                else []
            ),
        ],
    )


def evaluation(study: Study, answers: Answers) -> Section:
    """Predictive check, published results, external validation."""
    blocks: list[Block] = list(pictures(study, "predictive_check"))
    if study.trial.published:
        blocks += _published(study)
    blocks.append(Paragraph(f"**External validation.** {said(answers.external_validation)}"))
    return Section("Evaluation of the model", blocks)


def _published(study: Study) -> list[Block]:
    """Published numbers beside the simulated ones, and where each is from."""
    table = report_tables.published(result(study))
    rows = [(str(number), row[1], *row[2:7]) for number, row in enumerate(table.rows, 1)]
    head = ("No.", "Quantity", "Published", "Simulated under", "Mean of trials", "95 % of trials", "Within")
    source = Trace(
        OUTCOMES, "analysis or arm of each row", "mean and middle 95 % of the trials", "trials.report_tables"
    )
    sources = [(str(number), row[0], row[7]) for number, row in enumerate(table.rows, 1)]
    return [
        Grid(
            f"Published results beside the simulated ones. {table.note}",
            head,
            rows,
            (2, 4, 5),
            source,
            (0.5, 3.4, 1.9, 1.9, 1.7, 1.6, 0.9),
        ),
        Grid(
            "Sources of the published results.", ("No.", "Trial", "Source and remark"), sources, widths=(0.5, 2.4, 7.2)
        ),
    ]


def limits(study: Study) -> Section:
    """What the model cannot say."""
    return Section("Limits and domain of applicability", [Paragraph(clean(study.trial.limits) or "None were stated.")])
