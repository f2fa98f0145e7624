"""Measurement error, limits of quantification, event times, counts and Markov paths."""

import math

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from cohorts.specification.residuals import ERRORS
from engine.errors import DataError
from engine.outcomes import Quantification, Residual, event_counts, event_times, markov_states, measure
from engine.outcomes.residual import KINDS, RULES

N = 40_000
SIZES = {"additive": 0.3, "proportional": 0.2, "lognormal": 0.25}


def residual(kind, **more):
    return Residual(kind=kind, **{name: SIZES[name] for name in KINDS[kind].sizes}, **more)


def course(values, times, name="concentration"):
    return xr.Dataset(
        {name: (("subject", "time"), np.asarray(values, float), {"units": "mg/L"})},
        {"subject": np.arange(len(values)), "time": ("time", np.asarray(times, float), {"units": "h"})},
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_scale_is_that_of_the_cohorts_own_table(kind):
    values = np.array([0.0, 0.1, 1.0, 30.0])
    want = ERRORS[kind].spread(values, SIZES, np)
    np.testing.assert_allclose(residual(kind).scale(values), want, rtol=1e-14)
    assert KINDS[kind].log == ERRORS[kind].log


@pytest.mark.parametrize("kind", KINDS)
def test_measurements_have_the_spread_that_is_asked_for(kind):
    error, true = residual(kind), 3.0
    seen = error.observe(np.full(N, true), np.random.default_rng(1))
    step = np.log(seen / true) if KINDS[kind].log else seen - true
    assert stats.kstest(step / error.scale([true]), "norm").pvalue > 1e-3


def test_a_measurement_is_the_value_and_its_noise():
    values, noise = np.array([1.0, 4.0]), np.random.default_rng(9).standard_normal(2)
    seen = residual("additive").observe(values, np.random.default_rng(9))
    np.testing.assert_allclose(seen, values + 0.3 * noise, rtol=1e-14)
    seen = residual("lognormal").observe(values, np.random.default_rng(9))
    np.testing.assert_allclose(seen, values * np.exp(0.25 * noise), rtol=1e-14)


def test_student_errors_have_heavy_tails():
    error = residual("additive", freedom=4)
    step = (error.observe(np.full(N, 3.0), np.random.default_rng(2)) - 3.0) / 0.3
    assert stats.kstest(step, stats.t(4).cdf).pvalue > 1e-3
    assert stats.kstest(step, "norm").pvalue < 1e-9


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kind": "additive"}, r"Residual\.additive: got None, wanted a number"),
        ({"kind": "additive", "additive": -1}, r"Residual\.additive: got -1, wanted a number at least 0"),
        (
            {"kind": "additive", "additive": 1, "proportional": 1},
            r"Residual\.proportional: .* a additive error has none",
        ),
        ({"kind": "combined", "additive": 1}, r"Residual\.kind: got 'combined', .* \(did you mean 'combined\d'\?\)"),
        ({"kind": "additive", "additive": 1, "freedom": 0}, r"Residual\.freedom: got 0, wanted a number above 0"),
    ],
)
def test_an_impossible_error_names_its_field(fields, words):
    with pytest.raises(DataError, match=words):
        Residual(**fields)


@pytest.mark.parametrize(("below", "stands"), list(zip(RULES, (0.0, 0.25, 0.5, math.nan, 0.2), strict=True)))
def test_values_outside_the_limits_are_reported_as_the_rule_says(below, stands):
    values, flags = Quantification(lloq=0.5, uloq=9, below=below).report([0.2, 0.5, 3.0, 9.5, math.nan])
    np.testing.assert_array_equal(values, [stands, 0.5, 3.0, 9.0, math.nan])
    np.testing.assert_array_equal(flags, [-1, 0, 0, 1, 0])


def test_limits_that_cross_are_refused():
    for uloq in (1, 2):
        with pytest.raises(DataError, match=rf"Quantification\.uloq: got {uloq}, wanted a limit above lloq \(2\)"):
            Quantification(lloq=2, uloq=uloq)


def test_a_subject_is_measured_alike_whatever_stands_beside_it():
    true = course(np.random.default_rng(3).lognormal(size=(600, 4)), [0, 1, 2, 3])
    errors, limits = {"concentration": residual("combined1")}, {"concentration": Quantification(lloq=0.5)}
    whole = measure(true, errors, seed=5, limits=limits)
    few = measure(true.isel(subject=slice(0, 300)), errors, seed=5, limits=limits)
    xr.testing.assert_equal(whole.isel(subject=slice(0, 300)), few)
    assert (measure(true, errors, seed=5, replicate=1)["concentration"] != whole["concentration"]).mean() > 0.5
    assert whole["concentration"].attrs["units"] == "mg/L"
    assert set(np.unique(whole["concentration_flag"])) == {-1, 0}
    # no two samples share their numbers
    step = measure(course(np.zeros((600, 4)), [0, 1, 2, 3]), {"concentration": residual("additive")}, seed=5)
    assert len(np.unique(step["concentration"])) == 2400


def test_measuring_what_is_not_there_is_refused():
    true = course([[1.0, 2.0]], [0, 1])
    with pytest.raises(DataError, match="errors: 'response' is no output; there are concentration"):
        measure(true, {"response": residual("additive")}, seed=1)
    with pytest.raises(DataError, match="limits: 'concentration' has limits and no residual error"):
        measure(true, {}, seed=1, limits={"concentration": Quantification(lloq=1)})


TIMES = np.linspace(0, 10, 41)


def hazards(**rates):
    """Constant hazards as simulate would give them."""
    values = {
        f"cumulative_hazard_{name}": (("subject", "time"), np.tile(rate * TIMES, (N, 1)))
        for name, rate in rates.items()
    }
    return xr.Dataset(values, {"subject": np.arange(N), "time": TIMES})


def test_event_times_of_a_constant_hazard_are_exponential():
    found = event_times(hazards(death=0.2), seed=5)
    happened = found.event == 0
    assert happened.mean() == pytest.approx(1 - math.exp(-2), abs=4 * math.sqrt(0.117 / N))
    assert (found.time[~happened] == 10).all()
    truncated = stats.truncexpon(b=2.0, scale=5.0)
    assert stats.kstest(found.time[happened], truncated.cdf).pvalue > 1e-3


def test_event_times_of_a_weibull_hazard_follow_its_survival():
    trajectories = course(np.tile((TIMES / 6) ** 2, (N, 1)), TIMES, "cumulative_hazard_relapse")
    found = event_times(trajectories, seed=2)
    for time in (2.0, 5.0, 9.0):  # sampling times: there the cumulative hazard is exact
        want = math.exp(-((time / 6) ** 2))
        assert (found.time > time).mean() == pytest.approx(want, abs=4 * math.sqrt(want * (1 - want) / N))


def test_of_competing_events_the_first_happens_with_its_share():
    found = event_times(hazards(death=0.3, dropout=0.1), seed=3)
    assert found.names == ("death", "dropout")
    share = (found.event == 0).sum() / (found.event >= 0).sum()
    assert share == pytest.approx(0.75, abs=4 * math.sqrt(0.1875 / N))
    only = event_times(hazards(death=0.3, dropout=0.1), seed=3, events=("dropout",))
    assert set(np.unique(only.event)) == {-1, 0}
    table = found.to_dataset()
    assert set(np.unique(table["event"])) == {"", "death", "dropout"}


def test_event_times_are_addressed_and_failures_are_missing():
    whole = hazards(death=0.2)
    few = event_times(whole.isel(subject=slice(0, 100)), seed=4)
    np.testing.assert_array_equal(few.time, event_times(whole, seed=4).time[:100])
    broken = whole.isel(subject=slice(0, 3)).copy(deep=True)
    broken["cumulative_hazard_death"][1] = np.nan
    found = event_times(broken, seed=4)
    assert np.isnan(found.time[1])
    assert found.event[1] == -1
    np.testing.assert_array_equal(found.time[[0, 2]], few.time[[0, 2]])


def test_hazards_that_are_none_are_refused():
    with pytest.raises(DataError, match="it decreases somewhere"):
        event_times(course([[0, 1, 0.5]], [0, 1, 2], "cumulative_hazard_death"), seed=1)
    with pytest.raises(DataError, match="no output is called cumulative_hazard_<event>; there are concentration"):
        event_times(course([[0, 1]], [0, 1]), seed=1)


def means(rate, dispersion=None):
    trajectories = course(np.tile(rate * TIMES[::10], (N, 1)), TIMES[::10], "cumulative_mean")
    return event_counts(trajectories, seed=6, dispersion=dispersion)


def test_counts_are_poisson():
    found = means(1.2)
    assert found.dims == ("subject", "interval")
    np.testing.assert_array_equal(found["start"], [0, 2.5, 5, 7.5])
    want = stats.poisson(3.0)
    for interval in range(4):
        seen = np.bincount(found[:, interval].astype(int), minlength=9)[:9]
        p = np.append(want.pmf(range(8)), want.sf(7))
        assert stats.chisquare(np.append(seen[:8], N - seen[:8].sum()), N * p).pvalue > 1e-3
    assert abs(np.corrcoef(found.values.T)[0, 1]) < 4 / math.sqrt(N)


def test_counts_with_frailty_are_negative_binomial_and_correlated():
    found = means(1.2, dispersion=0.5)
    assert float(found[:, 0].mean()) == pytest.approx(3.0, abs=4 * math.sqrt(7.5 / N))
    assert float(found[:, 0].var()) == pytest.approx(3 + 0.5 * 9, rel=0.05)
    assert float(found.sum("interval").var()) == pytest.approx(12 + 0.5 * 144, rel=0.05)


def test_counts_need_a_mean_that_grows():
    with pytest.raises(DataError, match="cumulative_mean: it decreases"):
        event_counts(course([[0, 2, 1]], [0, 1, 2], "cumulative_mean"), seed=1)
    with pytest.raises(DataError, match="dispersion: got -1, wanted a number above 0"):
        event_counts(course([[0, 2]], [0, 1], "cumulative_mean"), seed=1, dispersion=-1)


STATES = ("well", "ill", "dead")
RATES = {"well_ill": 0.5, "ill_well": 0.3, "ill_dead": 0.2}


def chain(subjects=N):
    values = {f"intensity_{name}": (("subject", "time"), np.full((subjects, 5), rate)) for name, rate in RATES.items()}
    return xr.Dataset(values, {"subject": np.arange(subjects), "time": [0.0, 0.5, 2.0, 6.0, 20.0]})


def test_markov_paths_occupy_states_as_kolmogorovs_equations_say():
    from scipy.linalg import expm

    generator = np.zeros((3, 3))
    for name, rate in RATES.items():
        a, b = (STATES.index(state) for state in name.split("_"))
        generator[a, b] += rate
        generator[a, a] -= rate
    paths = markov_states(chain(), STATES, initial="well", seed=7)
    for n, time in enumerate(paths["time"].values):
        want = expm(generator * time)[0]
        seen = np.bincount(paths[:, n], minlength=3) / N
        np.testing.assert_array_less(np.abs(seen - want), 4 * np.sqrt(want * (1 - want) / N) + 1e-12)
    dead = paths.values == 2
    assert (np.diff(dead.astype(int), axis=1) >= 0).all()


def test_markov_paths_are_addressed():
    whole, few = (markov_states(chain(n), STATES, initial="well", seed=8) for n in (700, 300))
    np.testing.assert_array_equal(whole[:300], few)


def test_markov_models_that_are_none_are_refused():
    with pytest.raises(DataError, match="initial: 'asleep' is no state; there are well, ill, dead"):
        markov_states(chain(2), STATES, initial="asleep", seed=1)
    with pytest.raises(DataError, match="no output is called intensity_<from>_<to>"):
        markov_states(chain(2), ("up", "down"), initial="up", seed=1)
    negative = chain(2) * -1
    with pytest.raises(DataError, match="an intensity is negative"):
        markov_states(negative, STATES, initial="well", seed=1)
