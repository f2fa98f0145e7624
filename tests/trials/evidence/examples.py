"""Example trials of the shipped trials, without a run: the first replicate of the first scenario."""

from functools import cache

import trials
from tests.trials.small import SMALL, UNFITTED
from trials.block import Work
from trials.compose import conf_dir
from trials.evidence.sdtm import tables
from trials.evidence.study import Example

STUDY = "TT-TEST-E1"
TRIALS = sorted(path.stem for path in (conf_dir() / "trial").glob("*.yaml"))
SIZES = {"antibody_first_in_human": None, "lung_cancer_survival": 200}
"""Subjects of the examples; the ascending doses have as many as they have."""


@cache
def example(name, *overrides, n=None, seed=1):
    """An example of `n` subjects; None: as many as the trial has. A fitted population is drawn from its prior."""
    fitted = UNFITTED if name == "theophylline_bioequivalence" else ()
    size = () if n is None else (f"design.n={n}",)
    trial = trials.load(name, [*SMALL, *fitted, *size, *overrides])
    scenario = trial.scenarios[0]
    return Example(
        1, STUDY, scenario, 0, "the first simulated trial", Work("", scenario.protocol, range(1), seed, None), trial
    )


def told(name, *overrides):
    """Example of a shipped trial, and its SDTM by name."""
    size = SIZES.get(name, 24)
    more = ("design.at=[40,80]",) if name == "lung_cancer_survival" else ()
    one = example(name, *more, *overrides, n=size)
    return one, {table.name: table for table in tables(one)}
