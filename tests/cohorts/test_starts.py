"""Where chains begin: near the data whatever the priors' medians are, at different places, at the same ones by seed.

Twenty people get one intravenous dose; concentrations follow dose / v * exp(-cl / v * t), with a proportional error.
"""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from cohorts import CalibrationError, Gates, IndividualData, calibrate, diagnose, load_population
from cohorts.calibration.building import build
from cohorts.calibration.starts import Surface, _converter, starts

PEOPLE, TIMES, DOSE = 20, np.array([0.5, 2.0, 6.0, 12.0, 24.0]), 100.0
TRUTH = {"cl_pop": 3.0, "v_pop": 30.0, "omega_cl": 0.3, "omega_v": 0.2, "sigma_proportional_conc": 0.1}
WEIGHTS = {"cl": 1.0, "v": 0.0}


def parameter(median, **more):
    """A prior whose logarithm has a standard deviation of 10."""
    return {"unit": "x", "meaning": "x", "typical": {"lognormal": {"median": median, "cv": float(np.exp(50.0))}},
            "between_subject": {"halfnormal": {"sd": 1}}, "source": "x", **more}  # fmt: skip


def wide(cl=3e-3, v=3e4):
    return load_population({
        "name": "wide", "reference": "nobody, for the tests", "parameters": {"cl": parameter(cl), "v": parameter(v)},
        "correlations": [{"of": ["cl", "v"], "lkj": 2, "source": "x"}],
        "residual": {"conc": {"kind": "proportional", "proportional": {"halfnormal": {"sd": 0.5}}, "source": "x"}},
    })  # fmt: skip


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    cl, v = (TRUTH[f"{p}_pop"] * np.exp(TRUTH[f"omega_{p}"] * rng.standard_normal(PEOPLE))[:, None] for p in WEIGHTS)
    dv = DOSE / v * np.exp(-cl / v * TIMES) * (1.0 + 0.1 * rng.standard_normal((PEOPLE, len(TIMES))))
    place, time = np.divmod(np.arange(dv.size), len(TIMES))
    columns = {"subject": place, "time": TIMES[time], "dv": dv.ravel()}
    observations = xr.Dataset({k: ("observation", x) for k, x in columns.items()})
    return IndividualData(observations, xr.Dataset(coords={"subject": np.arange(PEOPLE)}))


def equations(data):
    place, time = data.position, data.observations["time"].values

    def predict(parameters):
        import pytensor.tensor as pt

        cl, v = parameters["cl"][place], parameters["v"][place]
        return DOSE / v * pt.exp(-cl / v * time)

    return predict


@pytest.fixture(scope="module")
def compiled(data):
    return ready(data, {})


def ready(data, orders):
    import nutpie

    model = build(wide(), data, occasions=None, predict=equations(data), output="", weights=WEIGHTS, orders=orders)
    return nutpie.compile_pymc_model(model, jitter_rvs=set())


@pytest.fixture(scope="module")
def begun(compiled):
    return starts(wide(), compiled, WEIGHTS, 1)


def test_the_mode_is_that_of_typical_people(begun, data):
    """By an independent least squares fit of one curve, weighted as a proportional error weighs."""
    from scipy.optimize import minimize

    time, dv = data.observations["time"].values, data.observations["dv"].values

    def minus(logs):
        cl, v, sigma = np.exp(logs)
        f = DOSE / v * np.exp(-cl / v * time)
        prior = ((logs[0] - np.log(3e-3)) ** 2 + (logs[1] - np.log(3e4)) ** 2) / 200 + sigma**2 / 0.5 - logs[2]
        return np.sum(np.log(sigma * f) + 0.5 * ((dv - f) / (sigma * f)) ** 2) + prior

    best = minimize(minus, np.log([3.0, 30.0, 0.3]), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10})
    found = Surface(begun.compiled).expanded(begun.middle)
    got = [found[n][0] for n in ("cl_pop", "v_pop", "sigma_proportional_conc")]
    np.testing.assert_allclose(got, np.exp(best.x), rtol=1e-3)


def test_chains_begin_apart_at_the_same_people_centred_or_not(begun):
    plain, centred = (begun.beginning(dict.fromkeys(WEIGHTS, w), 1) for w in (0.0, 1.0))
    for number in (5, 6):
        one, other = (Surface(c).expanded(c.initial_point_func(number)) for c in (plain, centred))
        for name in ("z_cl", "z_v", "cl", "v", "cl_pop"):
            np.testing.assert_allclose(one[name], other[name], rtol=1e-9)
        np.testing.assert_array_equal(plain.initial_point_func(number), plain.initial_point_func(number))
    assert not np.isclose(plain.initial_point_func(5), plain.initial_point_func(6)).any()
    assert not np.isclose(plain.initial_point_func(5), begun.beginning({}, 0).initial_point_func(5)).any()


def test_any_weights_and_any_order_of_a_block_are_the_same_density(begun, data):
    """Given what people share two places are as far apart in density in both."""
    turned, rng = replace(begun, compiled=ready(data, {("cl", "v"): ("v", "cl")})), np.random.default_rng(1)
    weights = {"cl": 0.3, "v": 1.0}
    plain, target = Surface(begun.compiled), Surface(turned.beginning(weights, 1))
    convert = _converter(wide(), plain, target, list(weights))
    shared = begun.middle + rng.normal(0.0, 0.3, len(begun.middle))
    places = np.where(begun.shared, shared, rng.standard_normal((2, len(begun.middle))))
    values = [[plain.slope(x)[0], target.slope(convert(x))[0]] for x in places]
    np.testing.assert_allclose(*np.diff(values, axis=0)[0], rtol=1e-9)
    one, other = plain.expanded(places[0]), target.expanded(convert(places[0]))
    assert abs(one["rho_cl_v"][0]) > 0.05
    for name in ("z_cl", "z_v", "cl", "v"):
        np.testing.assert_allclose(other[name], one[name], rtol=1e-9)


def test_data_that_are_impossible_anywhere_near_are_refused(data):
    import nutpie

    never = lambda parameters: equations(data)(parameters) * np.nan  # noqa: E731
    model = build(wide(), data, occasions=None, predict=never, output="", weights=None)
    with pytest.raises(CalibrationError, match="not finite at the prior medians, nor near them"):
        starts(wide(), nutpie.compile_pymc_model(model, jitter_rvs=set()), {}, 1)


def test_priors_a_thousandfold_from_the_data_do_no_harm(data):
    """From its medians no chain arrived."""
    tree = calibrate(
        wide(), data, equations(data), seed=1, chains=2, tune=500, draws=500, target_accept=0.95, cores=1,
        gates=Gates(rhat=1.02, ess=200),
    )  # fmt: skip
    table = diagnose(tree)
    for name, value in TRUTH.items():
        assert abs(table.loc[name, "mean"] - value) < 3.0 * table.loc[name, "sd"], name
