"""Tables of operating characteristics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from trials import report_tables
from trials.effects import effect
from trials.evidence.reports.content import MANIFEST, grid, trace
from trials.evidence.reports.document import Block, Grid, Paragraph, Trace
from trials.evidence.reports.naming import characteristic
from trials.operating import interval

if TYPE_CHECKING:
    from trials.evidence.study import Study
    from trials.operating import Estimate


ERRORS = ("type_1_error", "familywise_error")
DECISIONS = ("power", "type_1_error", "familywise_error", "disjunctive_power", "conjunctive_power")
METHOD = "mean over replicates; formulas of doi:10.1002/sim.8086, table 6"


def decisions(study: Study) -> Grid:
    """Power and type I error with an interval that has width even at 0 and 1."""
    rows = [
        (f"`{scenario}`", f"`{analysis}`", characteristic(name), *_share(names[name]))
        for scenario, analyses in study.characteristics.items()
        for analysis, names in analyses.items()
        for name in DECISIONS
        if name in names and names[name]["value"] is not None
    ]
    head = ("Scenario", "Analysis", "Share of trials that declare a success", "Value ± MCSE", "95 % interval", "Trials")
    method = "share of replicates; binomial standard error; Wilson interval"
    caption = (
        "Decisions under every scenario. Where no or every trial succeeds the standard error is 0 by its formula; the "
        "interval has width all the same."
    )
    return Grid(caption, head, rows, (3, 4, 5), trace("power, type_1_error and of families", method))


def answer(study: Study) -> Grid:
    """The same on half a page: a row a scenario with its meaning, a column an analysis."""
    found = study.characteristics
    names = [one.name for one in study.trial.protocol.analyses if one.decides]
    names += [family.name for family in study.trial.families]
    rows = [
        (f"`{one.name}`", one.description, *(_decided(found[one.name].get(name, {})) for name in names))
        for one in study.trial.scenarios
    ]
    caption = (
        "Share of simulated trials that declare a success, with the 95 % Monte Carlo interval. **α** marks errors of "
        "the first kind: the null hypothesis is true there; all others are power."
    )
    head = ("Scenario", "Meaning", *names)
    source = trace("power, type_1_error and of families", "share of replicates; Wilson interval")
    return Grid(caption, head, rows, trace=source)


def _decided(names: Mapping[str, Estimate]) -> str:
    known = [name for name in DECISIONS if name in names and names[name]["value"] is not None]
    if not known:
        return report_tables.NOTHING
    found = names[known[0]]
    low, high = _wilson(found)
    mark = "**α** " if known[0] in ERRORS else ""
    return f"{mark}{found['value']:.3f} ({low:.3f} to {high:.3f})"


def _wilson(found: Estimate) -> tuple[float, float]:
    assert found["value"] is not None, "the caller has looked"
    low, high = interval(found["value"] * found["replicates"], int(found["replicates"]))
    return float(low), float(high)


def _share(found: Estimate) -> tuple[str, str, str]:
    low, high = _wilson(found)
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
    names = {name: effect(study.trial.protocol, name) for name in scales}
    errors = (
        "Standard deviation of the estimates, root mean square of their standard errors (both of the logarithm for "
        "ratios), subjects analysed and replicates failed, ± Monte Carlo standard error."
    )
    return [
        grid(f"True and estimated effects. {table.note}", _columns(table, (2, 3, 4, 5), names), source),
        grid(errors, _columns(table, (6, 7, 8, 9), names), source),
    ]


def _columns(table: report_tables.Table, chosen: tuple[int, ...], names: Mapping[str, str]) -> report_tables.Table:
    """Some columns of the table of effects, beside what each effect is and in which unit."""
    rows = tuple((row[0], row[1], names[row[1]], *(row[column] for column in chosen)) for row in table.rows)
    head = ("Scenario", "Analysis", "Effect", *(table.head[column] for column in chosen))
    return report_tables.Table(head, rows, (3, 4, 5, 6))


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
    """Every characteristic of every analysis and family, with its Monte Carlo standard error."""
    rows = [
        (scenario, analysis, characteristic(name), *_entry(entry))
        for scenario, analyses in study.characteristics.items()
        for analysis, names in analyses.items()
        for name, entry in names.items()
    ]
    head = ("Scenario", "Analysis", "Characteristic", "Value", "MCSE", "Replicates")
    caption = (
        "Every operating characteristic. Those of ratios are of the natural logarithm. A true effect rests on "
        "virtual patients of its own, not on the trials: its number is that of populations drawn, 0 for a fixed one."
    )
    return Grid(caption, head, rows, (3, 4, 5), trace("all", METHOD))


def _entry(found: Estimate) -> tuple[str, str, str]:
    return report_tables.plain(found["value"], 6), report_tables.plain(found["mcse"], 3), str(found["replicates"])
