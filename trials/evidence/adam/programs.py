"""Programs that compute the results of an example trial anew from its transport files, and the tables they read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trials.analyses.base import analyse
from trials.analyses.crossover_anova import AverageBioequivalence
from trials.analyses.descriptive import ArmMean
from trials.analyses.two_sample import TwoSample
from trials.evidence.adam.reading import trial_data
from trials.evidence.adam.results import PROGRAM, Result
from trials.evidence.adam.selecting import Selection
from trials.evidence.transport import xpt

if TYPE_CHECKING:
    from trials.evidence.study import Example
    from trials.protocol import Protocol

SIMPLE = "simple.py"
"""Program that needs pandas, scipy and a reader of transport files alone."""


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
    if calls := [call for one in found if (call := _call(one, treatments))]:
        made[SIMPLE] = _SIMPLE.replace("@STUDY@", example.study).replace("@CALLS@", "\n".join(calls))
    return made


def _own(example: Example, found: Sequence[Result], selections: Mapping[str, Selection]) -> str:
    where = "\n".join(
        f"    {name!r}: ({one.dataset!r}, {one.column!r}, {one.parameter!r}, {one.flag!r}),"
        for name, one in selections.items()
    )
    results = "\n".join(f"    {one.analysis.name!r}: {dict(one.values)!r}," for one in found)
    text = _OWN.replace("@STUDY@", example.study).replace("@SCENARIO@", example.scenario.name)
    return text.replace("@WHERE@", where).replace("@RESULTS@", results).replace("@VERSION@", version("trialtwin"))


def _call(one: Result, treatments: Mapping[str, str]) -> str:
    """Line of the simple program for an analysis; empty where there is none."""
    analysis, selection = one.analysis, one.selection
    records = (
        f"records({selection.dataset.lower()!r}, {selection.parameter!r}, {selection.flag!r}, {selection.column!r})"
    )
    shown = {name: one.values[name] for name in ("estimate", "se", "lower", "upper") if name in one.values}
    if isinstance(analysis, TwoSample):
        arms = f"{treatments[analysis.test]!r}, {treatments[analysis.control]!r}"
        made = f"two_means({records}, {arms}, {analysis.level!r}, {analysis.log!r}, {analysis.equal_variance!r})"
    elif isinstance(analysis, AverageBioequivalence):
        arms = f"{treatments[analysis.test]!r}, {treatments[analysis.reference]!r}"
        made = f"crossover({records}, {arms}, {analysis.level!r})"
    elif isinstance(analysis, ArmMean):
        made = f"arm_mean({records}, {treatments[analysis.arm]!r}, {analysis.level!r}, {analysis.log!r})"
    else:
        return ""
    return f"show({analysis.name!r}, {made}, {shown!r})"


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

_SIMPLE = '''"""SIMULATED DATA: virtual subjects. Simple analyses of @STUDY@ without Trialtwin: python simple.py"""

from pathlib import Path

import numpy as np
import pyreadstat
from scipy import stats

DATASETS = Path(__file__).resolve().parent.parent / "datasets"


def records(dataset, parameter, flag, column):
    """Analysed records: subject, period, treatment and value."""
    frame, _ = pyreadstat.read_xport(DATASETS / f"{dataset}.xpt", disable_datetime_conversion=True)
    frame = frame[(frame["PARAMCD"] == parameter) & (frame[flag] == "Y")]
    return frame[["USUBJID", "APERIOD", "TRTP", column]].set_axis(["subject", "period", "arm", "value"], axis=1)


def two_means(frame, test, control, level, log, equal_variance):
    """Difference of two means by Student's or Welch's t test."""
    one, other = (frame.loc[frame["arm"] == arm, "value"] for arm in (test, control))
    one, other = (np.log(each[each > 0]) for each in (one, other)) if log else (one, other)
    found = stats.ttest_ind(one, other, equal_var=equal_variance)
    interval = found.confidence_interval(level)
    estimate = one.mean() - other.mean()
    return {"estimate": estimate, "se": estimate / found.statistic, "lower": interval.low, "upper": interval.high}


def arm_mean(frame, arm, level, log):
    """Mean of an arm."""
    value = frame.loc[frame["arm"] == arm, "value"]
    value = np.log(value[value > 0]) if log else value
    lower, upper = stats.t.interval(level, len(value) - 1, value.mean(), stats.sem(value))
    return {"estimate": value.mean(), "se": stats.sem(value), "lower": lower, "upper": upper}


def crossover(frame, test, reference, level):
    """Log ratio of geometric means in a 2x2 crossover: mean of the two sequences' mean differences."""
    wide = frame.assign(log=np.log(frame["value"])).pivot(index="subject", columns="arm", values="log").dropna()
    first = frame[frame["period"] == 1].set_index("subject")["arm"].reindex(wide.index) == test
    groups = [(wide[test] - wide[reference])[where] for where in (first, ~first)]
    df = sum(map(len, groups)) - 2
    pooled = sum(((one - one.mean()) ** 2).sum() for one in groups) / df
    estimate = np.mean([one.mean() for one in groups])
    se = np.sqrt(pooled * sum(1 / len(one) for one in groups)) / 2
    half = stats.t.ppf((1 + level) / 2, df) * se
    return {"estimate": estimate, "se": se, "lower": estimate - half, "upper": estimate + half}


def show(name, found, wanted):
    """Print what was found beside what the run found."""
    print(name)
    for outcome, was in wanted.items():
        same = np.isclose(found[outcome], was, rtol=1e-9, atol=1e-12)
        print(f"  {outcome:10} {found[outcome]:.12g}  {'as in the run' if same else f'NOT as in the run: {was!r}'}")


@CALLS@
'''
