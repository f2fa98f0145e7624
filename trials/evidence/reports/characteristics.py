"""Tables of operating characteristics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trials import report_tables
from trials.evidence.reports.content import MANIFEST, grid, trace
from trials.evidence.reports.document import Block, Grid, Paragraph, Trace
from trials.operating import interval

if TYPE_CHECKING:
    from trials.evidence.study import Study


DECISIONS = ("power", "type_1_error", "familywise_error", "disjunctive_power", "conjunctive_power")
METHOD = "mean over replicates; formulas of doi:10.1002/sim.8086, table 6"


def decisions(study: Study) -> Grid:
    """Power and type I error with an interval that has width even at 0 and 1."""
    rows = [
        (f"`{scenario}`", f"`{analysis}`", name.replace("_", " "), *_share(names[name]))
        for scenario, analyses in study.characteristics.items()
        for analysis, names in analyses.items()
        for name in DECISIONS
        if name in names and names[name]["value"] is not None
    ]
    head = ("Scenario", "Analysis", "Share of trials that declare a success", "Value ± MCSE", "95 % interval", "Trials")
    method = "share of replicates; binomial standard error; Wilson interval"
    return Grid(
        "Decisions under every scenario.", head, rows, (3, 4, 5), trace("power, type_1_error and of families", method)
    )


def _share(found: dict[str, float]) -> tuple[str, str, str]:
    low, high = interval(found["value"] * found["replicates"], int(found["replicates"]))
    return report_tables.with_error(found["value"], found["mcse"]), f"{low:.3f} to {high:.3f}", str(found["replicates"])


def effects(study: Study) -> list[Block]:
    """Truth, estimate, bias, coverage, standard errors, subjects."""
    coordinate = study.outcomes["scale"]
    scales = dict(zip(coordinate["analysis"].values.tolist(), coordinate.values.tolist(), strict=True))
    single = {
        scenario: {name: names for name, names in analyses.items() if name in scales}
        for scenario, analyses in study.characteristics.items()
    }
    table, source = report_tables.effects(single, scales), trace("truth to failed", METHOD)
    errors = "Standard deviation of the estimates, mean standard error, subjects analysed, replicates failed."
    return [
        grid(f"True and estimated effects. {table.note}", _columns(table, (0, 1, 2, 3, 4, 5)), source),
        grid(errors, _columns(table, (0, 1, 6, 7, 8, 9)), source),
    ]


def _columns(table: report_tables.Table, chosen: tuple[int, ...]) -> report_tables.Table:
    rows = tuple(tuple(row[column] for column in chosen) for row in table.rows)
    return report_tables.Table(tuple(table.head[column] for column in chosen), rows, (2, 3, 4, 5))


def sizes(study: Study) -> Grid:
    """Expected number of subjects and duration."""
    unit = study.trial.protocol.model.time
    rows = [
        (
            f"`{scenario}`",
            *(report_tables.with_error(first[name]["value"], first[name]["mcse"]) for name in ("n", "duration")),
        )
        for scenario, analyses in study.characteristics.items()
        if (first := next(iter(analyses.values())))
    ]
    return Grid(
        "Expected number of subjects analysed (first analysis) and duration.",
        ("Scenario", "Subjects ± MCSE", f"Duration ± MCSE ({unit})"),
        rows,
        (1, 2),
        trace("n and duration", "mean over replicates"),
    )


def failures(study: Study) -> list[Block]:
    """What could not be simulated or analysed; it is counted, not dropped."""
    table = report_tables.failures(study.outcomes, study.manifest["failures"])
    source = Trace(MANIFEST, "failures", "count", "trials.results")
    note = "Failed replicates count as trials without success."
    return [grid("Failures.", table, source, widths=(2, 1.2, 3.4, 1.4, 2.4)), Paragraph(note)]


def everything(study: Study) -> Grid:
    """Every characteristic as it is stored."""
    return grid(
        "Every operating characteristic.", report_tables.everything(study.characteristics), trace("all", "as stored")
    )
