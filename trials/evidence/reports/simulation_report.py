"""The simulation report, with what FDA's guidance on adaptive designs (2019) asks of one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from trials.effects import effect
from trials.evidence.reports import characteristics
from trials.evidence.reports import trial_sections as trial
from trials.evidence.reports.assessment import criteria_found, judged_all, tally
from trials.evidence.reports.content import MANIFEST, OUTCOMES, document, pictures, said
from trials.evidence.reports.document import Block, Code, Document, Grid, Paragraph, Section, Trace
from trials.evidence.reports.missing import not_given
from trials.report_tables import NOTHING, plain

if TYPE_CHECKING:
    from trials.evidence.answers import Answers
    from trials.evidence.study import Example, Study


def simulation_report(study: Study, answers: Answers) -> Document:
    """The report."""
    sections = [
        Section("Overview of the design", [Paragraph(said(answers.question)), *trial.design(study).blocks]),
        Section("Example trials", _told(study)),
        Section("Parameter configurations", [trial.scenarios(study, answers)]),
        Section("Number of iterations", _iterations(study, answers)),
        Section(
            "Operating characteristics",
            [],
            [
                Section(
                    "Decisions",
                    [characteristics.decisions(study), *pictures(study, "power", "curve", "characteristics")],
                ),
                Section("Effects", characteristics.effects(study)),
                Section(
                    "Size, duration, stopping",
                    [characteristics.sizes(study), *pictures(study, "stopping", "sizes", "enrolment")],
                ),
                Section("Failures", characteristics.failures(study)),
            ],
        ),
        Section(
            "Code, seeds and random numbers",
            [
                trial.seeds(study),
                Paragraph(
                    "Code: the packages engine, cohorts and trials, whose digest is in the manifest of the run. All "
                    "simulated trials are repeated by:"
                ),
                Code("bash validation/reproduce.sh"),
            ],
        ),
        Section("Summary", [_summary(study, answers), *criteria_found(study, answers)]),
        Section("Appendix: all characteristics", [characteristics.everything(study)]),
        *not_given(answers),
    ]
    return document(study, answers, "simulation-report", "Simulation report", sections)


def _summary(study: Study, answers: Answers) -> Paragraph:
    found = judged_all(study, answers)
    failed = int(study.outcomes["failed"].sum())
    return Paragraph(
        f"{study.manifest['replicates']:,} trials of {study.trial.protocol.design.n:,} virtual subjects were simulated "
        f"under each of {len(study.trial.scenarios)} scenarios and analysed as planned; {failed} analyses failed. "
        f"{tally(found)}."
    )


def _told(study: Study) -> list[Block]:
    blocks: list[Block] = [
        Paragraph(
            "Simulated trials with different outcomes, told in full. Their data sets are in `m5/datasets`, the "
            "stories of some of their virtual subjects in `simulation/example-trials`."
        ),
    ]
    for example in study.examples:
        blocks += [Paragraph(_words(example)), _found(study, example)]
    return [*blocks, *pictures(study, "survival_", "example_")]


def _words(example: Example) -> str:
    arms = example.course.arms[0, :, 0]
    counts = ", ".join(f"{int((arms == index).sum())} to {name}" for index, name in enumerate(example.course.names))
    left = int((example.course.left[0] < math.inf).sum())
    gone = f" {left} left before its end." if left else ""
    events = ", ".join(
        f"{int((times[0] < math.inf).sum())} {name.replace('_', ' ')}" for name, times in example.course.events.items()
    )
    happened = f" Intercurrent events: {events}." if events else ""
    return (
        f"**Example {example.number}** (`{example.study}`; scenario `{example.scenario.name}`, replicate "
        f"{example.replicate}), {example.why}. {int((arms >= 0).sum())} virtual subjects were randomised, {counts} "
        f"{'in the first period' if example.protocol.design.periods > 1 else ''}.{gone}{happened}"
    ).replace(" .", ".")


def _found(study: Study, example: Example) -> Grid:
    found = study.outcomes.sel(scenario=example.scenario.name, replicate=example.replicate)
    rows = []
    for name in found["analysis"].values.tolist():
        one = found.sel(analysis=name)
        low, high = (plain(_shown(one, key)) for key in ("lower", "upper"))
        level = f"{100 * float(one['level']):g} %"
        decision = ("success" if float(one["decision"]) > 0.5 else "no success") if bool(one["decides"]) else NOTHING
        rows.append(
            (
                f"`{name}`",
                effect(example.protocol, name),
                plain(_shown(one, "estimate")),
                f"{low} to {high} ({level})",
                _p(float(one["p"])),
                plain(float(one["n"])),
                decision,
            )
        )
    source = Trace(
        OUTCOMES, f"scenario {example.scenario.name}, replicate {example.replicate}", "as analysed", "trials.analyses"
    )
    head = ("Analysis", "Effect", "Estimate", "Interval (level)", "p", "Subjects", "Decision")
    return Grid(f"What example {example.number} found.", head, rows, (2, 3, 4, 5), source)


def _p(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else plain(value, 3)


def _shown(one: object, key: str) -> float:
    """An estimate as it is read: a ratio for a logarithm of one."""
    value = float(one[key])  # type: ignore[index]
    return math.exp(value) if str(one["scale"].values) == "log-ratio" else value  # type: ignore[index]


def _iterations(study: Study, answers: Answers) -> list[Block]:
    count = study.manifest["replicates"]
    rows = [
        (
            f"{100 * p:g} %",
            f"{100 * math.sqrt(p * (1 - p) / count):.2f} points",
            f"± {196 * math.sqrt(p * (1 - p) / count):.2f} points",
        )
        for p in (0.025, 0.05, 0.5, 0.8, 0.9)
    ]
    return [
        trial.iterations(answers),
        *(trial.shortfall(study, answers) or [Paragraph(f"{count:,} simulated trials of each scenario were made.")]),
        Grid(
            f"Precision of a share of {count:,} simulated trials.",
            ("True share", "Standard error", "95 % interval"),
            rows,
            (0, 1, 2),
            Trace(MANIFEST, "replicates", "binomial: √(p (1 − p) / replicates), ± 1.96 of it", "trials.operating"),
        ),
    ]
