"""A small protocol with a known model for tests of the conduct: one compartment, oral, patients who differ."""

from dataclasses import replace

import numpy as np

import engine
from cohorts.covariates.given import Measured
from cohorts.specification.parameters import Parameter
from cohorts.specification.population import Population
from cohorts.specification.quantities import Quantity
from cohorts.specification.residuals import Residual
from engine.outcomes import NCA
from trials.analyses.two_sample import TwoSample
from trials.block import Work, draw, simulate, trial_data
from trials.conduct import Conduct, noise
from trials.consistency import check
from trials.designs.parallel import Parallel
from trials.endpoints.course import Course
from trials.endpoints.visit import AtVisit
from trials.protocol import Arm, Measurement, Protocol

SEED = 11
TIMES = (0.0, 24.0, 48.0, 72.0, 96.0)
ARMS = ("active", "control")


def population(**sds):
    """Theophylline-like patients, 25 % between them unless told otherwise."""

    def parameter(name, unit, value):
        sd = sds.get(name, 0.25 if name in ("ka", "cl") else 0.0)
        spread = Quantity("fixed", (sd,), "made up") if sd else None
        typical = Quantity("fixed", (value,), "made up")
        scale, limits = ("lognormal", (0.0, np.inf)) if value else ("normal", (-np.inf, np.inf))
        return Parameter(name, unit, name, typical, scale, (), spread, None, total=False, limits=limits)

    values = {p.name: (p.unit, p.value) for p in engine.load_model("theophylline_oral").parameters}
    return Population(
        name="made_up",
        reference="none",
        covariates=(
            Measured("weight", "kg", "body weight", "made up", (Quantity("normal", (70.0, 12.0), "", lower=40.0),)),
        ),
        parameters=tuple(parameter(name, unit, value) for name, (unit, value) in values.items()),
        correlations=(),
        residuals=(Residual("concentration", "additive", (Quantity("fixed", (0.3,), "made up"),)),),
    )


def protocol(**changes):
    """Two arms, twice the dose in one, daily for four days; one measurement before each dose."""
    regimens = {"active": "640 mg into depot every 24 h, 4 times", "control": "320 mg into depot every 24 h, 4 times"}
    made = Protocol(
        model=engine.load_model("theophylline_oral"),
        population=population(),
        arms=tuple(Arm(name, regimen=engine.Regimen.parse(text)) for name, text in regimens.items()),
        design=Parallel(ARMS, 40),
        measurements=(Measurement("x", "concentration", TIMES),),
        endpoints=(
            AtVisit("last", "mg/L", "x", visit=96.0),
            Course("auc", "h*mg/L", "x", NCA("AUCLST")),
        ),
        analyses=(TwoSample("last", "last", *ARMS),),
        solver=engine.configuration.build("solver", "auto"),
    )
    made = replace(made, **changes)
    check(made)
    return made


def dosed(made, **arms):
    """The protocol with fields of arms changed: ``active={"adherence": ...}``."""
    return replace(made, arms=tuple(replace(arm, **arms.get(arm.name, {})) for arm in made.arms))


def work(made, replicates=range(3)):
    return Work("x", made, replicates, SEED, None)


def course(made, replicates=range(3)):
    return simulate(work(made, replicates))


def data(made, replicates=range(3)):
    return trial_data(work(made, replicates), course(made, replicates))


def everyone(made, arm, replicates=range(2), count=40, without=frozenset()):
    """All patients in one arm."""
    patients = draw(made, count, replicates, seed=SEED, posterior=None, occasions=1)
    conduct = Conduct(made, patients, noise(made, SEED, replicates, count, 1))
    index = list(made.design.arms).index(arm)
    return conduct.course(np.full((len(replicates), count, 1), index), without=without)
