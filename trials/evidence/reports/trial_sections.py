"""What plans and reports say of the trial: arms, measurements, estimands, analyses, scenarios, seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trials import report_tables
from trials.effects import effect
from trials.evidence.reports.content import ANSWERS, CONFIGURATION, grid, said
from trials.evidence.reports.document import Block, Bullets, Grid, Paragraph, Section, Trace
from trials.evidence.reports.naming import method, spaced
from trials.report_conduct import BELOW
from trials.report_tables import settings

if TYPE_CHECKING:
    from trials.evidence.answers import Answers, StatedEstimand
    from trials.evidence.study import Study
    from trials.protocol import Measurement

KINDS = ("design", "enrolment", "costs", "solver")
"""Parts of the plan that have no name of their own but that of their kind."""
PLANNED = Trace(CONFIGURATION, "arms, design, measurements, endpoints, analyses", "as configured", "trials.build")


def design(study: Study) -> Section:
    """Arms, and all that is planned in them."""
    protocol = study.trial.protocol
    return Section(
        "Trial design",
        [
            Paragraph(f"{study.trial.title}. {protocol.design.n} subjects are planned."),
            grid("Arms.", report_tables.arms(protocol), PLANNED, widths=(1.5, 6, 2.5)),
            grid("What is measured, computed and analysed.", _plan(study), PLANNED, widths=(1.3, 1.6, 7)),
        ],
    )


def _plan(study: Study) -> report_tables.Table:
    table = report_tables.plan(study.trial.protocol)
    rows = tuple((part, spaced(name) if part in KINDS else name, text) for part, name, text in table.rows)
    return report_tables.Table(("Part", *table.head[1:]), rows)


def estimands(answers: Answers) -> Section:
    """Each estimand by its attributes."""
    return Section("Estimands", [], [_estimand(one) for one in answers.estimands])


def _estimand(one: StatedEstimand) -> Section:
    events = " ".join(f"**{event.event}:** {event.strategy}. {event.why}" for event in one.events)
    rows = [
        ("Treatment", said(one.treatment)),
        ("Population", said(one.population)),
        ("Variable", said(one.variable)),
        ("Intercurrent events and strategies", events or "None are foreseen, and none are simulated."),
        ("Population-level summary", said(one.summary)),
        ("Estimated by", ", ".join(f"`{name}`" for name in one.analyses)),
    ]
    table = Grid(
        f"Estimand: {one.name} (ICH E9(R1)).",
        ("Attribute", "Specification"),
        rows,
        trace=Trace(ANSWERS, "estimands", "as stated", "trials.evidence.answers"),
        widths=(2.4, 7.2),
    )
    return Section(one.name, [table])


def analyses(study: Study) -> Section:
    """Each analysis with its method and settings, and how several are tested together."""
    return Section(
        "Statistical analyses",
        [],
        [_analysis(study, one.name) for one in study.trial.protocol.analyses] + _families(study),
    )


def _analysis(study: Study, name: str) -> Section:
    one = study.trial.protocol.analysis(name)
    first, *more = method(type(one))
    role = "It takes a decision" if one.decides else "It describes and takes no decision"
    estimated = f"the {effect(study.trial.protocol, name)} with an interval of {100 * one.level:g} %"
    return Section(
        name,
        [
            Paragraph(f"**{spaced(type(one).__name__)}.** {first}"),
            *map(Paragraph, more),
            Paragraph(f"{role}; it estimates {estimated}. Settings: {settings(one, leave=('name',))}."),
        ],
    )


def handling(study: Study) -> Section:
    """What becomes of measurements below the limit of quantification and of missing ones, and what is transformed."""
    protocol = study.trial.protocol
    logs = [one.name for one in protocol.analyses if one.scale.startswith("log-")]
    rules = [f"**{one.name}:** {_limit(study, one)}." for one in protocol.measurements]
    rules.append(
        f"**Transformation.** On the logarithmic scale, and shown as ratios or geometric means: {', '.join(logs)}."
        if logs
        else "**Transformation.** None: all effects are estimated on the scale of the endpoint."
    )
    rules.append(
        "**Missing values.** A value that was not measured stays missing: nothing is imputed but by an analysis or "
        "endpoint whose settings say so. How many subjects an analysis rests on stands beside its results."
    )
    return Section("Handling of data", [Bullets(rules)])


def _limit(study: Study, measurement: Measurement) -> str:
    if not measurement.lloq:
        return "no limit of quantification"
    unit = next(one.unit for one in study.trial.protocol.model.outputs if one.name == measurement.output)
    return f"values below {measurement.lloq:g} {unit} are recorded as {BELOW[measurement.blq]}"


def _families(study: Study) -> list[Section]:
    if not study.trial.families:
        return []
    said_of: list[Block] = [
        Paragraph(
            f"**{one.name}:** {', '.join(one.hypotheses) or 'all that decide'} by {type(one.procedure).__name__} at a "
            f"familywise level of {one.alpha:g}."
        )
        for one in study.trial.families
    ]
    return [Section("Multiplicity", said_of)]


def scenarios(study: Study, answers: Answers) -> Grid:
    """The grid of scenarios with reasons."""
    rows = [
        (
            f"`{one.name}`",
            one.description,
            report_tables.scenarios([one]).rows[0][2],
            ", ".join(one.null) or "none",
            said(answers.scenarios.get(one.name)),
        )
        for one in study.trial.scenarios
    ]
    head = ("Scenario", "Meaning", "What is set", "Null hypothesis true for", "Why it is simulated")
    trace = Trace("simulation/scenarios.yaml", "all", "as configured", "trials.build")
    return Grid("Scenarios.", head, rows, trace=trace, widths=(1.8, 2.8, 2.3, 1.4, 3.7))


def iterations(answers: Answers) -> Paragraph:
    """How many simulated trials are planned, and why."""
    least = f"{answers.replicates.at_least:,.0f}" if answers.replicates.at_least is not None else said(None)
    return Paragraph(f"At least {least} simulated trials of each scenario are planned. {said(answers.replicates.why)}")


def shortfall(study: Study, answers: Answers) -> list[Paragraph]:
    """That fewer simulated trials were made than planned, where it is so."""
    count, least = study.manifest["replicates"], answers.replicates.at_least
    if least is None or count >= least:
        return []
    note = (
        f"**{count:,} simulated trials of each scenario were made, which is fewer than planned ({least:,.0f})**; all "
    )
    return [Paragraph(f"{note}results are less precise than the plan wanted them.")]


def seeds(study: Study) -> Grid:
    """Seed, replicates and generator."""
    manifest = study.manifest
    rows = [
        (f"`{one.name}`", str(manifest["seed"]), f"0 to {manifest['replicates'] - 1}") for one in study.trial.scenarios
    ]
    trace = Trace("simulation/seeds.csv", "all", "as run", "trials.streams")
    return Grid(
        f"Seeds and replicates. Generator: {manifest['random_numbers']}. Scenarios share their random numbers.",
        ("Scenario", "Seed", "Replicates"),
        rows,
        (1, 2),
        trace,
    )
