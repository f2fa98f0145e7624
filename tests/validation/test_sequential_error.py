"""Type I error and power of sequential designs whose looks are simulated once and scored with many boundaries."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
import xarray as xr

from trials.analyses.two_sample import TwoSample
from trials.boundaries.alpha_spending import AlphaSpending
from trials.boundaries.futility import BetaSpending, FutilityBounds
from trials.boundaries.haybittle_peto import HaybittlePeto
from trials.boundaries.performance import stop_probabilities
from trials.boundaries.spending import HwangShihDeCani, PocockSpending
from trials.boundaries.wang_tsiatis import OBrienFleming, Pocock, WangTsiatis
from trials.designs.group_sequential import GroupSequential
from trials.monitoring.monitor import Monitor
from trials.monitoring.stopping import statistic, stopped
from trials.protocol import Protocol

ARMS, DIMS = ("test", "control"), ("replicate", "subject")
REPLICATES = 20_000
BOUNDARIES = {
    "obrien_fleming": OBrienFleming(),
    "pocock": Pocock(),
    "wang_tsiatis": WangTsiatis(exponent=0.25),
    "haybittle_peto": HaybittlePeto(),
    "lan_demets_obrien_fleming": AlphaSpending(),
    "lan_demets_pocock": AlphaSpending(spending=PocockSpending()),
    "hwang_shih_decani": AlphaSpending(spending=HwangShihDeCani(-4.0)),
    "binding_futility": AlphaSpending(futility=FutilityBounds((0.0, 0.5)), binding=True),
    "beta_spending": AlphaSpending(futility=BetaSpending(0.2), binding=True),
    "not_binding": OBrienFleming(futility=FutilityBounds((0.0, 0.5))),
    "two_sided": OBrienFleming(alpha=0.05, sided=2),
}


@dataclass(frozen=True)
class Value:
    name: str = "value"


def monitor(effect, replicates=REPLICATES, **plan):
    """Trials of 240 subjects, a t test, looks when the endpoint of 80, 160 and 240 is known."""
    given = {"by": "follow_up", "at": (80, 160, 240), "boundary": HaybittlePeto()} | plan
    design = GroupSequential(ARMS, 240, "primary", **given)
    test = TwoSample("primary", "value", *ARMS, alternative="greater", alpha=0.025, equal_variance=True)
    rng = np.random.default_rng(11)
    arm = np.stack([rng.permuted(np.tile([0, 1], (replicates, 2)), axis=1) for _ in range(60)], axis=1)
    arm = arm.reshape(replicates, 240)
    data = xr.Dataset({
        "arm": (DIMS, arm, {"names": list(ARMS)}),
        "value": (DIMS, rng.standard_normal(arm.shape) + effect * (arm == 0), {"at": 2.0}),
        "enrolled": (DIMS, np.cumsum(rng.exponential(0.1, arm.shape), axis=1)),
    })  # fmt: skip
    made = Protocol(
        model=None, population=None, arms=(), design=design, measurements=(), endpoints=(Value(),), analyses=(test,),
        solver=None,
    )  # fmt: skip
    return Monitor(made, data, 2.0)


@cache
def simulated(effect):
    return monitor(effect).analysed()


def stops(effect, boundary):
    found = simulated(effect)
    side = "two-sided" if boundary.sided == 2 else "greater"
    z = statistic(found.found, "primary", "greater")
    z = np.abs(z) if side == "two-sided" else z
    bounds = boundary((1 / 3, 2 / 3, 1.0))
    return stopped(z, np.isfinite(found.day), bounds.efficacy, bounds.futility), bounds


@pytest.mark.slow
@pytest.mark.parametrize("name", BOUNDARIES)
@pytest.mark.parametrize("effect", [0.0, 0.35])
def test_stops_are_those_of_the_normal_theory(name, effect):
    """The t test at its own level leaves 0.002 between simulation and theory, where variances are known."""
    boundary = BOUNDARIES[name]
    stop, bounds = stops(effect, boundary)
    drift = effect / 2 * np.sqrt(240)
    theory = np.ravel(stop_probabilities(bounds, drift).efficacy)
    if boundary.sided == 2:
        theory = theory + np.ravel(stop_probabilities(bounds, -drift).efficacy)
    for look in range(3):
        share = ((stop.look == look) & stop.efficacy).mean()
        expected = theory[look]
        assert share == pytest.approx(expected, abs=3 * np.sqrt(expected * (1 - expected) / REPLICATES) + 0.002)
    if effect == 0 and name != "not_binding":
        rate = stop.efficacy.mean()
        assert rate == pytest.approx(boundary.alpha, abs=3 * np.sqrt(boundary.alpha * 0.975 / REPLICATES))


@pytest.mark.slow
def test_spending_at_the_observed_information_keeps_the_type_1_error_where_days_are_planned():
    """Looks on days 6 and 14 of trials that enrol at random: how much is known then differs from trial to trial."""
    watch = monitor(0.0, by="calendar", at=(6.0, 14.0, 40.0), maximum=240.0, observed=True,
                    boundary=AlphaSpending(spending=PocockSpending()))  # fmt: skip
    found = watch.analysed()
    information = found.found["information"].values[..., 0]
    assert information[:, 0].std() > 4
    assert (information[:, -1] == 240).all()
    efficacy, futility = watch.looks.critical(information)
    assert np.ptp(efficacy[:, 0]) > 0.1
    stop = stopped(statistic(found.found, "primary", "greater"), np.isfinite(found.day), efficacy, futility)
    assert stop.efficacy.mean() == pytest.approx(0.025, abs=3 * np.sqrt(0.025 * 0.975 / REPLICATES))


def test_looks_by_information_have_the_information_they_waited_for():
    watch = monitor(0.3, 60, by="information", at=(0.4, 1.0), maximum=50.0)
    found = watch.analysed()
    reached = found.found["information"].values[..., 0]
    assert (reached[:, 0] >= 20).all()
    # one subject less would not have been enough
    day = found.day[:, 0]
    before = np.nextafter(day, 0)
    se = watch.protocol.analyses[0](watch.known(before))["se"].values
    assert (se**-2.0 < 20).all()
    assert reached[:, 0].mean() == pytest.approx(20, abs=0.6)
    fewer = replace(watch.looks, at=(0.2, 1.0))
    assert fewer.fractions == (0.2, 1.0)
