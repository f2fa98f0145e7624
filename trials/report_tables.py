"""The tables of a report, every number from the result's own objects."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cohorts.covariates.base import CovariateModel, variables
from cohorts.covariates.given import Categorical
from trials.report_calendar import calendar_rows
from trials.report_conduct import conduct_rows, visits
from trials.table import KINDS, MIDDLE, STOPPING, counterpart, holds, procedure, published_value

if TYPE_CHECKING:
    import xarray as xr

    from cohorts import Population
    from cohorts.covariates.given import Covariate
    from cohorts.specification.quantities import Quantity
    from cohorts.specification.residuals import Residual
    from engine import Model
    from trials.multiplicity.families import Family
    from trials.operating import Characteristics, Estimate
    from trials.protocol import Arm, Measurement, Protocol, Published, Result, Scenario

NOTHING = "–"
OUTPUT_UNIT = "unit of the output"
MINUS = "\N{MINUS SIGN}"
GLUE = "\N{NO-BREAK SPACE}"
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Table:
    """Head, rows of text and a note; cells of the columns in `numbers` stand to the right."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[int, ...] = ()
    note: str = ""


def with_error(value: float | None, error: float | None) -> str:
    """``0.912 ± 0.009``: a value and its standard error, to two digits of the error; 0 when it is but rounding."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if error is None or not math.isfinite(error):
        return plain(value)
    if error <= abs(value) * ROUNDING:
        return f"{plain(value)} ±{GLUE}0"
    digits = min(12, max(0, 1 - math.floor(math.log10(error))))
    rounded = round(value, digits) + 0.0  # no negative zero
    return f"{rounded:.{digits}f} ±{GLUE}{error:.{digits}f}".replace("-", MINUS)


def plain(value: object, digits: int = 4) -> str:
    """A number to `digits` significant digits; anything else as text."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return str(value)
    if isinstance(value, float | np.floating):
        return f"{value:.{digits}g}".replace("-", MINUS) if math.isfinite(value) else NOTHING
    if dataclasses.is_dataclass(value):
        return f"{type(value).__name__} ({settings(value)})" if dataclasses.fields(value) else type(value).__name__
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        nested = any(isinstance(item, Sequence) and not isinstance(item, str) for item in value)
        return ", ".join(f"({plain(item, digits)})" if nested else plain(item, digits) for item in value)
    return NOTHING if value is None or value == () else str(value)


def settings(spec: object, *, leave: Iterable[str] = ()) -> str:
    """Fields of a frozen dataclass in words, without those that are not set: ``alpha = 0.05, lower = 0.8``."""
    assert dataclasses.is_dataclass(spec), "designs, endpoints, analyses and solvers are dataclasses"
    named = [field.name for field in dataclasses.fields(spec) if field.name not in leave]
    shown = [name for name in named if getattr(spec, name) not in (None, "", ())]
    return ", ".join(f"{name.replace('_', ' ')} = {plain(getattr(spec, name))}" for name in shown)


def arms(protocol: Protocol) -> Table:
    """What each arm receives."""
    rows = tuple((arm.name, _dosing(arm), _factors(arm)) for arm in protocol.arms)
    return Table(("Arm", "Dosing", "Changes to the model"), rows)


def _dosing(arm: Arm) -> str:
    if arm.regimen is not None:
        return str(arm.regimen)
    return f"{type(arm.policy).__name__}: {settings(arm.policy)}"


def _factors(arm: Arm) -> str:
    return ", ".join(f"{name} × {factor:g}" for name, factor in arm.modify if factor != 1) or "none"


def plan(protocol: Protocol) -> Table:
    """What is measured, computed and analysed, and the design and solver behind it."""
    design, time = protocol.design, protocol.model.time
    rows = [("design", type(design).__name__, settings(design))]
    rows += calendar_rows(protocol, settings)
    rows += [("measurement", m.name, _measured(m, time)) for m in protocol.measurements]
    rows += [("endpoint", e.name, f"{type(e).__name__}: {settings(e, leave=('name',))}") for e in protocol.endpoints]
    rows += conduct_rows(protocol, settings)
    rows += [("analysis", a.name, f"{type(a).__name__}: {settings(a, leave=('name',))}") for a in protocol.analyses]
    rows += [] if protocol.costs is None else [("costs", "Prices", settings(protocol.costs))]
    rows += [("solver", type(protocol.solver).__name__, settings(protocol.solver))]
    return Table(("", "Name", "Settings"), tuple(rows))


def _measured(measurement: Measurement, time: str) -> str:
    error = "residual error of the population" if measurement.error is None else f"error {_residual(measurement.error)}"
    return f"{measurement.output} at {plain(measurement.times)} {time}; {error}{visits(measurement)}"


def _residual(error: Residual) -> str:
    numbers = [f"{name} {plain(sigma.centre)}" for name, sigma in zip(error.names, error.sigmas, strict=True)]
    return f"{', '.join(numbers)} ({error.sigmas[0].source})"


def scenarios(found: Sequence[Scenario]) -> Table:
    """The states of the world the trial was repeated under."""
    rows = tuple((s.name, s.description, _differences(s), ", ".join(s.null) or "none") for s in found)
    return Table(("Scenario", "Meaning", "What is set", "Null hypothesis true for"), rows)


def _differences(scenario: Scenario) -> str:
    return ", ".join(f"{path} = {value}" for path, value in scenario.settings) or "nothing"


def model_parameters(model: Model) -> Table:
    """Parameters of the equations with their units and a typical person's values."""
    rows = tuple((p.name, p.meaning, p.unit, plain(p.value), p.source) for p in model.parameters)
    return Table(("Parameter", "Meaning", "Unit", "Typical", "Source"), rows, (3,))


def covariates(population: Population) -> Table:
    """Who enrols."""
    rows = tuple(
        (v.name, v.meaning, "" if v.levels else v.unit, _distribution(entry), v.source)
        for entry in population.covariates
        for v in variables(entry)
    )
    return Table(("Covariate", "Meaning", "Unit", "Distribution", "Source"), rows)


def _distribution(covariate: Covariate | CovariateModel) -> str:
    if isinstance(covariate, CovariateModel):
        return f"model {covariate.name} ({covariate.to_dict()['model']})"
    if isinstance(covariate, Categorical):
        pairs = zip(covariate.levels, covariate.probabilities, strict=True)
        return ", ".join(f"{level} {100 * share:.3g} %" for level, share in pairs)
    texts = [quantity_text(quantity) for quantity in covariate.distributions]
    if not covariate.given:
        return texts[0]
    return "; ".join(f"{level}: {text}" for level, text in zip(covariate.levels, texts, strict=True))


def coefficients(protocol: Protocol) -> Table:
    """Every number of the population: its value or prior, and where it comes from."""
    population, model = protocol.population, protocol.model
    text = quantity_text if protocol.uncertainty else centre_text
    rows = [
        (
            f"{c.name}{f'[{level}]' if level else ''}",
            c.meaning,
            shown_unit(c.name, c.unit, model),
            text(q),
            q.source,
        )
        for c in population.coefficients
        for level, q in zip(c.levels or ("",), c.quantities, strict=True)
    ]
    return Table(("Number", "Meaning", "Unit", "Value or prior", "Source"), tuple(rows))


def centre_text(quantity: Quantity) -> str:
    """The one value a number has where its uncertainty is set aside."""
    return plain(quantity.centre)


def unit_of(name: str, unit: str, model: Model) -> str:
    """Unit of a population's number; that of an additive error is the unit of the output it belongs to."""
    if unit != OUTPUT_UNIT:
        return unit
    return next((output.unit for output in model.outputs if name.endswith(f"_{output.name}")), unit)


def shown_unit(name: str, unit: str, model: Model) -> str:
    """The same for a table: a dash for a plain number."""
    found = unit_of(name, unit, model)
    return NOTHING if found in ("", "1") else found


def quantity_text(quantity: Quantity) -> str:
    """A number with its uncertainty in words: ``lognormal, median 2.8, cv 0.3``."""
    if not quantity.free:
        return plain(quantity.values[0])
    inner = ", ".join(f"{name} {plain(value)}" for name, value in quantity.named.items())
    bounds = [
        f"{word} {plain(v)}" for word, v in (("above", quantity.lower), ("below", quantity.upper)) if v is not None
    ]
    return ", ".join([quantity.family, inner, *bounds])


def summary(found: Characteristics, scenarios: Sequence[Scenario]) -> Table:
    """How often each analysis decided for an effect, by scenario."""
    analyses = list(dict.fromkeys(name for by in found.values() for name in by if _decision(by[name])))
    rows = tuple(
        (scenario.name, scenario.description, *(_decided(found[scenario.name].get(name, {})) for name in analyses))
        for scenario in scenarios
    )
    note = "Share of simulated trials that declare success ± Monte Carlo standard error."
    return Table(("Scenario", "Meaning", *analyses), rows, tuple(range(2, len(analyses) + 2)), note)


def _decision(names: Mapping[str, Estimate]) -> str:
    return next((name for name in ("power", "type_1_error") if name in names), "")


def _decided(names: Mapping[str, Estimate]) -> str:
    name = _decision(names)
    if not name:
        return NOTHING
    return f"{with_error(names[name]['value'], names[name]['mcse'])} {'power' if name == 'power' else 'type I error'}"


def effects(found: Characteristics, scales: Mapping[str, str]) -> Table:
    """True and estimated effects, bias, coverage and subjects, by scenario and analysis."""
    columns = ("bias", "coverage", "empirical_se", "model_se", "n", "failed")
    rows = tuple(
        (scenario, analysis, *(_effect(names[name], scales[analysis]) for name in ("truth", "estimate")),
         *(with_error(names[name]["value"], names[name]["mcse"]) for name in columns))
        for scenario, by in found.items()
        for analysis, names in by.items()
        if analysis in scales
    )  # fmt: skip
    head = ("Scenario", "Analysis", "True effect", "Mean estimate", "Bias", "Coverage", "SD of estimates", "Mean SE",
            "Analysed", "Failed")  # fmt: skip
    return Table(head, rows, tuple(range(2, 10)), "± Monte Carlo standard error. " + _scale_note(scales))


def stopping(found: Characteristics) -> Table:
    """Estimates of a monitored effect at the stop: as they stand, and allowing for the looks."""
    columns = ("estimate", "estimate_adjusted", *STOPPING)
    rows = tuple(
        (scenario, analysis, *(_entry(by[name]) for name in ("truth", *columns)))
        for scenario, analyses in found.items()
        for analysis, by in analyses.items()
        if STOPPING[-1] in by
    )
    head = ("Scenario", "Analysis", "True effect", "Mean estimate", "adjusted", "Bias", "adjusted", "Coverage",
            "adjusted")  # fmt: skip
    note = "Adjusted: median-unbiased estimate and interval by the stage-wise ordering of the looks."
    return Table(head, rows, tuple(range(2, 9)), f"{note} Effects on the scale of the analysis.")


def families(found: Characteristics, given: Sequence[Family]) -> Table:
    """What the families of hypotheses achieve, each by its procedure, under each scenario."""
    columns = ("familywise_error", "disjunctive_power", "conjunctive_power")
    rows = tuple(
        (
            f"{family.name}: {procedure(family)}",
            scenario,
            *(_entry(by[family.name].get(name)) for name in columns),
            "; ".join(_hypothesis(name, entry) for name, entry in by[family.name].items() if ": " in name),
        )
        for family in given
        for scenario, by in found.items()
    )
    head = ("Family", "Scenario", "Familywise error", "Power of any", "Power of all", "Each hypothesis")
    note = "Shares of simulated trials by the procedure's adjusted p-values ± Monte Carlo standard error. "
    note += "The familywise error is that of any true null hypothesis; the powers are of the false ones."
    return Table(head, rows, (2, 3, 4), note)


def _entry(found: Estimate | None) -> str:
    return NOTHING if found is None else with_error(found["value"], found["mcse"])


def _hypothesis(name: str, entry: Estimate) -> str:
    kind, _, analysis = name.partition(": ")
    return f"{analysis} {_entry(entry)} {KINDS[kind]}"


def _effect(estimate: Estimate, scale: str) -> str:
    value, mcse = estimate["value"], estimate["mcse"]
    if scale == "log-ratio" and value is not None and mcse is not None:
        return with_error(math.exp(value), math.exp(value) * mcse)
    return with_error(value, mcse)


def _scale_note(scales: Mapping[str, str]) -> str:
    if "log-ratio" not in scales.values():
        return ""
    return "Effects of ratio analyses are shown as ratios; their bias and standard errors are of the natural logarithm."


def everything(found: Characteristics) -> Table:
    """Every characteristic as it stands in characteristics.json."""
    rows = tuple(
        (scenario, analysis, name.replace("_", " "), plain(e["value"], 6), plain(e["mcse"], 3), str(e["replicates"]))
        for scenario, by in found.items()
        for analysis, names in by.items()
        for name, e in names.items()
    )
    return Table(("Scenario", "Analysis", "Characteristic", "Value", "MCSE", "Replicates"), rows, (3, 4, 5))


def failures(outcomes: xr.Dataset, counted: Mapping[str, Mapping[str, Mapping[str, int]]]) -> Table:
    """Replicates and subjects that failed, with the solver's reasons as `counted` in the manifest."""
    rows = []
    for scenario in outcomes["scenario"].values.tolist():
        there = outcomes.sel(scenario=scenario)
        failed = {name: int(there["failed"].sel(analysis=name).sum()) for name in there["analysis"].values.tolist()}
        subjects = int(there["subjects_failed"].isel(analysis=0).sum())
        by = ", ".join(f"{name} {count}" for name, count in failed.items())
        reasons = counted[scenario]["patient_periods"].items()
        why = ", ".join(f"{name.lower().replace('_', ' ')} {count}" for name, count in reasons) or NOTHING
        rows.append((scenario, str(there.sizes["replicate"]), by, str(subjects), why))
    head = (
        "Scenario",
        "Replicates",
        "Failed, by analysis",
        "Subjects not simulated",
        "Periods not simulated, by reason",
    )
    return Table(head, tuple(rows), (1, 3))


def published(result: Result) -> Table:
    """Published results beside the simulated ones, each with its uncertainty."""
    rows = tuple(_published_row(result, entry) for entry in result.trial.published)
    head = ("Published", "Quantity", "Published value", "Simulated under", "Mean of trials", "95 % of trials", "Within",
            "Source, remark")  # fmt: skip
    note = (
        "Mean of the simulated trials ± Monte Carlo standard error, their middle 95 %, and whether it holds the value."
    )
    return Table(head, rows, (2, 4, 5), note)


def _published_row(result: Result, entry: Published) -> tuple[str, ...]:
    values = counterpart(result, entry)
    low, high = np.quantile(values, MIDDLE)
    mean = with_error(float(values.mean()), float(values.std(ddof=1) / math.sqrt(values.size)))
    return (
        f"{entry.trial} (n = {entry.n})" if entry.n else entry.trial,
        entry.quantity if entry.unit == "1" else f"{entry.quantity} ({entry.unit})",
        published_value(entry),
        f"{entry.scenario}, {entry.arm or entry.analysis}",
        mean,
        f"{plain(float(low), 3)}{GLUE}to{GLUE}{plain(float(high), 3)}",
        plain(holds(values, entry)),
        f"{entry.source} {entry.remark}".strip(),
    )
