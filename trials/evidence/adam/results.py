"""Results of the analyses with the way back to data, filter, method and code: what ARM and ARS tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trials.analyses.base import OUTPUTS, Analysis
from trials.evidence.adam.covariates import column_of
from trials.evidence.adam.making import ascii_text
from trials.evidence.adam.selecting import Selection
from trials.evidence.reports.naming import spaced
from trials.evidence.transport.results import AnalysisResult, Display
from trials.report_tables import settings

if TYPE_CHECKING:
    from trials.evidence.sdtm.plan import Plan
    from trials.evidence.study import Example, Study

PRIMARY, SECONDARY = "PRIMARY OUTCOME MEASURE", "SECONDARY OUTCOME MEASURE"
PLAN = "SPECIFIED IN SAP"
ROLES = ("covariates", "baseline", "strata", "factors", "site")
"""Fields of an analysis that name variables of the subject level."""
PROGRAM = "analyses.py"
"""Program that computes the results of the example anew from the data sets."""


@dataclass(frozen=True, slots=True)
class Result:
    """One analysis of an example trial: what was analysed, and what came out.

    Attributes
    ----------
    analysis
        The trial's analysis.
    purpose
        Of Analysis Results Metadata: primary for the trial's first analysis, secondary for the others.
    selection
        Where the analysed variable is.
    beside
        For other data sets the variables that were read: baseline or covariates.
    values
        Outcomes by name; those that are not there are left out.
    """

    analysis: Analysis
    purpose: str
    selection: Selection
    beside: Mapping[str, tuple[str, ...]]
    values: Mapping[str, float]

    @property
    def method(self) -> str:
        """Name of the method: the class of the analysis."""
        return type(self.analysis).__name__

    @property
    def description(self) -> str:
        """What was analysed, in words."""
        return f"{spaced(self.method)} of {self.selection.variable}"

    @property
    def documentation(self) -> str:
        """How it was analysed, in words."""
        told = (type(self.analysis).__doc__ or self.method).strip().splitlines()[0].replace("``", "")
        return ascii_text(f"{told} Settings: {settings(self.analysis, leave=('name', 'endpoint'))}.")

    @property
    def code(self) -> str:
        """What gives the result."""
        return f"python ../programs/{PROGRAM}  # prints {self.analysis.name}"


def treatments(plan: Plan) -> dict[str, str]:
    """Name of the treatment of each arm, as TRTP has it."""
    return {name: described for name, (_, described) in plan.arms.items()}


def results(study: Study, example: Example, selections: Mapping[str, Selection]) -> tuple[Result, ...]:
    """Results of every analysis of an example trial, as its replicate's record among the outcomes has them."""
    found = study.outcomes.sel(scenario=example.scenario.name, replicate=example.replicate)
    made = []
    for number, analysis in enumerate(example.protocol.analyses):
        one = found.sel(analysis=analysis.name)
        values = {str(name): float(one[name]) for name in one.data_vars if np.isfinite(float(one[name]))}
        selection = selections[analysis.endpoint]
        beside = _beside(analysis, selections)
        made.append(Result(analysis, SECONDARY if number else PRIMARY, selection, beside, values))
    return tuple(made)


def _beside(analysis: Analysis, selections: Mapping[str, Selection]) -> dict[str, tuple[str, ...]]:
    """Data sets and variables that an analysis reads besides its endpoint."""
    named: list[str] = []
    for role in ROLES:
        given = getattr(analysis, role, None)
        named += [given] if isinstance(given, str) else [str(one) for one in given or ()]
    found: dict[str, tuple[str, ...]] = {}
    for name in named:
        one = selections.get(name)
        dataset, column = ("ADSL", column_of(name)) if one is None else (one.dataset, one.column)
        found[dataset] = (*found.get(dataset, ()), column)
    return found


def displays(example: Example, found: Sequence[Result]) -> tuple[Display, ...]:
    """One display with every analysis of an example trial, for Define-XML."""
    title = f"Analyses of the simulated trial {example.study}: {example.scenario.name}, replicate {example.replicate}"
    return (Display("Table 1", ascii_text(title), tuple(_metadata(found))),)


def _metadata(found: Sequence[Result]) -> Iterator[AnalysisResult]:
    for one in found:
        selection = one.selection
        variables = {selection.dataset: (selection.column, "TRTP", *selection.beside)}
        for dataset, columns in one.beside.items():
            variables[dataset] = tuple(dict.fromkeys((*variables.get(dataset, ()), *columns)))
        yield AnalysisResult(
            name=one.analysis.name,
            description=one.description,
            reason=PLAN,
            purpose=one.purpose,
            variables=variables,
            where={selection.dataset: selection.where},
            parameter="PARAMCD",
            documentation=one.documentation,
            context="Python",
            code=one.code,
        )


def displays_of_replicates(study: Study) -> tuple[Display, ...]:
    """One display with the operating characteristics of every analysis, for Define-XML."""
    primary = study.trial.protocol.analyses[0].name
    made = [
        AnalysisResult(
            name=analysis,
            description=f"Operating characteristics of {analysis} in every scenario",
            reason=PLAN,
            purpose=PRIMARY if analysis == primary else SECONDARY,
            variables={"ADSIM": ("ESTIMATE", "SE", "LOWER", "UPPER", "DECISION", "FAILED", "TRUEEFF", "NULLFL"),
                       "ADOC": ("AVAL", "MCSE", "NREP")},
            where={"ADSIM": f"ANALYSIS EQ {analysis}", "ADOC": f"ANALYSIS EQ {analysis}"},
            documentation="Morris, White and Crowther 2019, doi:10.1002/sim.8086, table 6, with Monte Carlo errors.",
            code="trials.operating.characteristics(*trials.evidence.adam.outcomes(adsim))",
        )
        for analysis in study.outcomes["analysis"].values.tolist()
    ]  # fmt: skip
    return (Display("Table 1", "Operating characteristics", made),)


def operations(found: Sequence[Result]) -> tuple[str, ...]:
    """Names of the outcomes that some result has, those of every analysis first."""
    there = {name for one in found for name in one.values}
    return (*(name for name in OUTPUTS if name in there), *sorted(there - set(OUTPUTS)))
