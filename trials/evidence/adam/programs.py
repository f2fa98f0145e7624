"""Programs that compute the results of an example trial anew from its transport files, and the tables they read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from trials.analyses.ancova import Ancova
from trials.analyses.base import Analysis, analyse
from trials.analyses.cox import Cox
from trials.analyses.crossover_anova import AverageBioequivalence
from trials.analyses.descriptive import ArmMean
from trials.analyses.equivalence import Equivalence
from trials.analyses.log_rank import LogRank
from trials.analyses.risk_difference import RiskDifference
from trials.analyses.two_sample import TwoSample
from trials.evidence.adam.covariates import column_of
from trials.evidence.adam.reading import trial_data
from trials.evidence.adam.results import PROGRAM, Result
from trials.evidence.adam.selecting import Selection
from trials.evidence.transport import xpt

if TYPE_CHECKING:
    from trials.evidence.study import Example
    from trials.protocol import Protocol

SIMPLE = "simple.py"
"""Program that needs numpy, pandas, scipy and a reader of transport files alone."""


def reanalyse(
    protocol: Protocol, datasets: str | Path, where: Mapping[str, tuple[str, str, str, str]]
) -> dict[str, dict[str, float]]:
    """Analyse the analysis data sets of an example trial by its own analyses.

    Parameters
    ----------
    protocol
        What was planned: ``trials.load(config).scenario(name).protocol``.
    datasets
        Folder of the transport files.
    where
        For each endpoint or estimand: data set, column, PARAMCD and the analysis flag of its records.

    Returns
    -------
    For each analysis its outcomes by name; those it does not have are left out. Of a trial that was looked at before
    its end these are the analyses of the data of the last look: the number of subjects is called ``analysed``, and the
    boundary decides for the monitored analysis, not these data alone.
    """
    selections = [Selection(name, *one) for name, one in where.items()]
    names = dict.fromkeys(("ADSL", *(one.dataset for one in selections)))
    tables = [xpt.read(Path(datasets) / f"{name.lower()}.xpt") for name in names]
    found = analyse(protocol.analyses, trial_data(protocol, tables, selections)).isel(replicate=0)
    made: dict[str, dict[str, float]] = {}
    for name in found["analysis"].values.tolist():
        values = {str(key): float(found[key].sel(analysis=name)) for key in found.data_vars}
        made[name] = {key: value for key, value in values.items() if np.isfinite(value)}
        if protocol.design.looks is not None:
            made[name]["analysed"] = made[name].pop("n")
    if protocol.design.looks is not None:
        del made[protocol.design.looks.monitored]["decision"]
    return made


def programs(
    example: Example, found: Sequence[Result], selections: Mapping[str, Selection], treatments: Mapping[str, str]
) -> dict[str, str]:
    """Text of each program by its name: `PROGRAM`, and `SIMPLE` where an analysis is simple enough.

    `treatments` has the name of the treatment of each arm, as TRTP has it.
    """
    made = {PROGRAM: _own(example, found, selections)}
    if calls := [call for one in found if (call := _call(one, selections, treatments))]:
        text = files(__package__).joinpath("simple_program.txt").read_text(encoding="utf-8")
        made[SIMPLE] = text.replace("@STUDY@", example.study).replace("@CALLS@", "\n".join(calls))
    return made


def simple(one: Result) -> bool:
    """Whether the simple program has an analysis."""
    return type(one.analysis) in CALLS and all(
        getattr(one.analysis, name, value) == value for name, value in CALLS[type(one.analysis)].only.items()
    )


def _own(example: Example, found: Sequence[Result], selections: Mapping[str, Selection]) -> str:
    where = "\n".join(
        f"    {name!r}: ({one.dataset!r}, {one.column!r}, {one.parameter!r}, {one.flag!r}),"
        for name, one in selections.items()
    )
    results = "\n".join(f"    {one.analysis.name!r}: {dict(one.values)!r}," for one in found)
    text = _OWN.replace("@STUDY@", example.study).replace("@SCENARIO@", example.scenario.name)
    return text.replace("@WHERE@", where).replace("@RESULTS@", results).replace("@VERSION@", version("trialtwin"))


class Call(NamedTuple):
    """Function of the simple program, fields of the analysis that are its arguments, and settings it is limited to.

    `tolerance` is how far a result may be from the run's, relative to it: where the run ends an iteration earlier.
    """

    function: str
    arms: tuple[str, ...]
    fields: tuple[str, ...]
    only: Mapping[str, object] = MappingProxyType({})
    tolerance: float = 1e-9


CALLS: Mapping[type, Call] = MappingProxyType({
    TwoSample: Call("two_means", ("test", "control"), ("level", "log", "equal_variance")),
    Equivalence: Call("two_means", ("test", "control"), ("level", "log", "=True"), {"covariates": ()}),
    AverageBioequivalence: Call("crossover", ("test", "reference"), ("level",)),
    ArmMean: Call("arm_mean", ("arm",), ("level", "log")),
    Ancova: Call("adjusted_means", ("test", "control"), ("level", "@"), {"log": False, "all_arms": False}),
    RiskDifference: Call("two_risks", ("test", "control"), ("level",), {"method": "newcombe"}),
    LogRank: Call("hazard_ratio", ("test", "control"), ("level", "='breslow'", "@"), {"strata": ()}),
    Cox: Call("hazard_ratio", ("test", "control"), ("level", "ties", "@"), {"strata": (), "others": ()}, 1e-6),
})  # fmt: skip
"""By the class of the analysis. A field that starts with = stands as it is, @ is the covariates."""


def _call(one: Result, selections: Mapping[str, Selection], treatments: Mapping[str, str]) -> str:
    """Line of the simple program for an analysis; empty where there is none."""
    if not simple(one):
        return ""
    analysis, selection, call = one.analysis, one.selection, CALLS[type(one.analysis)]
    values = [
        f"records({selection.dataset.lower()!r}, {selection.parameter!r}, {selection.flag!r}, {selection.column!r})",
        *(repr(treatments[getattr(analysis, name)]) for name in call.arms),
        *(_argument(analysis, name, selections) for name in call.fields),
    ]
    shown = {name: one.values[name] for name in ("estimate", "se", "lower", "upper") if name in one.values}
    return f"show({analysis.name!r}, {call.function}({', '.join(values)}), {shown!r}, {call.tolerance!r})"


def _argument(analysis: Analysis, name: str, selections: Mapping[str, Selection]) -> str:
    if name.startswith("="):
        return name[1:]
    if name != "@":
        return repr(getattr(analysis, name))
    covariates = []
    for covariate in getattr(analysis, "covariates", ()):
        one = selections.get(covariate)
        source = ("adsl", "", "", column_of(covariate))
        covariates.append(source if one is None else (one.dataset.lower(), one.parameter, one.flag, one.column))
    return repr(covariates)


_OWN = '''"""SIMULATED DATA: virtual subjects. Results of the analyses of @STUDY@ from its analysis data sets.

Needs Trialtwin @VERSION@. Run it where it lies, in a package: python analyses.py; or name the configuration of the run:
python analyses.py config.yaml
"""

import math
import sys
from pathlib import Path

import trials
from trials.evidence.adam import reanalyse

HERE = Path(__file__).resolve().parent
CONFIG = sys.argv[1] if len(sys.argv) > 1 else HERE.parents[5] / "simulation" / "run" / "config.yaml"
WHERE = {  # endpoint or estimand: data set, column, PARAMCD and flag of its records
@WHERE@
}
RESULTS = {  # what the run found
@RESULTS@
}

protocol = trials.load(CONFIG).scenario("@SCENARIO@").protocol
for name, values in reanalyse(protocol, HERE.parent / "datasets", WHERE).items():
    print(name)
    for outcome, value in values.items():
        was = RESULTS[name].get(outcome)
        same = was is not None and math.isclose(value, was, rel_tol=1e-9, abs_tol=1e-9)
        print(f"  {outcome:12} {value!r:24} {'as in the run' if same else f'NOT as in the run: {was!r}'}")
'''
