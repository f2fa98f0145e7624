"""Trials of the project made small: no fit, few replicates, small truth; the protocol itself stays what it is."""

from functools import cache

import trials

SMALL = (
    "runs=null",
    "tracking=none",
    "cluster=serial",
    "replicates=6",
    "truth.draws=4",
    "truth.patients=8",
    "store.cohort=2",
)
UNFITTED = ("data=null",)
CURVE = ("power_curve.replicates=2", "power_curve.values=[0.9,1.1]")
FITTED = ["run", "trial=theophylline_bioequivalence", *(word for word in SMALL if word != "runs=null"), *CURVE]
"""The command that runs it, with a fit."""
RUN = [*FITTED, *UNFITTED]
"""The same without."""


@cache
def crossover(*overrides):
    """The bioequivalence trial, small."""
    return trials.load("theophylline_bioequivalence", [*SMALL, *UNFITTED, *CURVE, *overrides])
