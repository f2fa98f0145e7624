"""Predictions as a PyTensor graph: against closed forms, matrix exponentials and finite differences."""

from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np
import pandas as pd
import pytensor
import pytensor.tensor as pt
import pytest
import scipy.linalg
import xarray as xr
from pytensor.compile.mode import Mode

import engine
from engine.dosing.nonmem import read_nonmem
from engine.errors import DataError, ModelError
from engine.gradients.differences import divided_difference, exponential_difference
from engine.gradients.graph import Prediction, prediction
from engine.models import equations, structure
from engine.models.algebras.arrays import ARRAYS
from engine.models.loading import Model, load_model

THEOPHYLLINE = Path(__file__).parents[2] / "conf" / "data" / "theophylline.csv"
TIMES = np.array([0.0, 0.25, 1, 2, 5, 12, 24, 30, 48, 72, 300])
# Compiling takes longer than computing here; theophylline below is compiled as a fit would compile it.
PLAIN = Mode(linker="py", optimizer="fast_compile")
# A graph that solves a model by itself grows with its states; other linear models are left to the solvers.
LINEAR = ["effect_compartment", "one_compartment_iv", "theophylline_oral", "two_compartment_iv", "two_compartment_oral"]


def table(dim: str, **columns: Any) -> xr.Dataset:
    return xr.Dataset({name: (dim, np.asarray(values)) for name, values in columns.items()})


def compiled(predicted: Prediction, model: Model, mode: Any = PLAIN, **fixed: float) -> Any:
    """The prediction and the gradient of its sum of squares, as a function of arrays by name."""
    free = [name for name in model.parameter_names if name not in fixed]
    tensors = {name: pt.dvector(name) for name in free}
    y = predicted({**tensors, **fixed})
    gradient = pytensor.grad((y**2).sum(), list(tensors.values()), disconnected_inputs="ignore")
    function = pytensor.function(list(tensors.values()), [y, *gradient], mode=mode, on_unused_input="ignore")
    return lambda values: function(*(values[name] for name in free))


# ------------------------------------------------------------------------------------------- divided differences of exp


def exact(points: np.ndarray) -> float:
    """Divided difference by its definition with 250 digits, equal points pulled apart by 1e-25."""
    with mp.workdps(250):
        x = [mp.mpf(float(p)) + mp.mpf(10) ** -25 * i for i, p in enumerate(points)]
        products = [mp.fprod(a - b for j, b in enumerate(x) if j != i) for i, a in enumerate(x)]
        return float(mp.fsum(mp.e**a / product for a, product in zip(x, products, strict=True)))


@pytest.mark.parametrize(
    ("count", "accuracy"), [(1, 1e-15), (2, 2e-15), (3, 5e-15), (4, 1e-14), (6, 2e-13), (8, 5e-12)]
)
def test_divided_differences_near_and_far(count, accuracy):
    rng = np.random.default_rng(count)
    for _ in range(60):
        spread = 10.0 ** rng.uniform(-9, 3)
        points = -rng.exponential(3.0) - spread * rng.random(count)
        points[-1] = points[0] if rng.random() < 0.3 else points[-1]
        wanted = exact(points)
        if wanted > 1e-290:
            assert exponential_difference(*points.tolist()) == pytest.approx(wanted, rel=accuracy)


@pytest.mark.parametrize(
    "points",
    [(-1.0, -1.0, -1.0), (-1.0, -2.0, -1.0 - 1e-9), (-2.0, -3.0, -2.99), (-0.5, -700.0, -0.51), (0.0, -1.0, -2.0)],
)
def test_gradients_of_divided_differences_are_exact(points):
    x = pt.dvector("x")
    y = divided_difference([x[0], x[1], x[2]])
    gradient = pytensor.grad(y, x).eval({x: np.array(points)}, mode="NUMBA")
    wanted = [exact(np.array([*points, point])) for point in points]
    np.testing.assert_allclose(gradient, wanted, rtol=1e-13)


def test_the_linker_without_compilation_agrees():
    x = pt.dmatrix("x")
    y = divided_difference([x[0], x[1], x[2], x[3]])
    values = -np.random.default_rng(1).exponential(2.0, (4, 50))
    np.testing.assert_allclose(y.eval({x: values}, mode="NUMBA"), y.eval({x: values}, mode="CVM"), rtol=1e-14)


# ------------------------------------------------------------------------------------------- theophylline, really


@pytest.fixture(scope="module")
def theophylline():
    records = pd.read_csv(THEOPHYLLINE)
    dosed, seen = records[records.EVID == 1], records[records.EVID == 0]
    doses = table("dose", subject=dosed.ID, time=dosed.TIME, amt=dosed.AMT)
    observations = table("observation", subject=seen.ID, time=seen.TIME, dv=seen.DV)
    model = load_model("theophylline_oral")
    predicted = prediction(model, doses, observations, "concentration")
    function = compiled(predicted, model, "NUMBA", f=1.0, tlag=0.0)
    weight = dosed.WT.to_numpy()
    function({"ka": np.full(12, 1.5), "cl": 0.04 * weight, "v": 0.46 * weight})
    return predicted, function, dosed


def bateman(ka, cl, v, dose, t):
    """Closed form with 60 digits, so that equal rates are no trouble here either."""
    with mp.workdps(60):
        ka, ke = mp.mpf(float(ka)), mp.mpf(float(cl)) / mp.mpf(float(v))
        ka = ka + (mp.mpf(10) ** -30 if ka == ke else 0)
        t = mp.mpf(float(t))
        return float(dose / mp.mpf(float(v)) * ka / (ka - ke) * (mp.e ** (-ke * t) - mp.e ** (-ka * t)))


@pytest.mark.parametrize("ratio", [0.02, 0.5, 1 - 1e-6, 1.0, 1 + 1e-12, 1.5, 20.0])
def test_theophylline_is_batemans_formula_at_any_ratio_of_rates(theophylline, ratio):
    predicted, function, dosed = theophylline
    cl, v = 0.04 * dosed.WT.to_numpy(), 0.46 * dosed.WT.to_numpy()
    values = {"ka": ratio * cl / v, "cl": cl, "v": v}
    found = function(values)
    dose = dosed.AMT.to_numpy()
    wanted = [
        bateman(*(values[name][i] for name in ("ka", "cl", "v")), dose[i], t)
        for i, t in zip(predicted.subject, predicted.time, strict=True)
    ]
    np.testing.assert_allclose(found[0], wanted, rtol=1e-12, atol=1e-300)
    assert all(np.isfinite(gradient).all() for gradient in found[1:])


@pytest.mark.parametrize("ratio", [0.5, 1 - 1e-6, 1.0, 1 + 1e-9, 20.0])
def test_gradients_agree_with_finite_differences(theophylline, ratio):
    _, function, dosed = theophylline
    cl, v = 0.04 * dosed.WT.to_numpy(), 0.46 * dosed.WT.to_numpy()
    values = {"ka": ratio * cl / v, "cl": cl, "v": v}
    gradients = function(values)[1:]
    for name, gradient in zip(values, gradients, strict=True):
        for subject in (0, 7):
            step = np.zeros(12)
            step[subject] = 1e-5 * values[name][subject]
            above, below = (function({**values, name: values[name] + sign * step})[0] for sign in (1, -1))
            numeric = ((above**2).sum() - (below**2).sum()) / (2 * step[subject])
            assert gradient[subject] == pytest.approx(numeric, rel=1e-6)


# --------------------------------------------------------------------------- every linear model, every kind of dose


DOSES = table(
    "dose", subject=[1, 1, 2, 2, 2], time=[0.0, 24, 0, 10, 40], amt=[100.0, 50, 80, 60, 30], rate=[0.0, 25, 0, 30, 0],
    ii=[6.0, 0, 0, 0, 0], addl=[2, 0, 0, 0, 0], cmt=[1, 1, 1, 1, 0], evid=[1, 1, 1, 1, 4],
)  # fmt: skip
SEEN = table("observation", subject=np.repeat([1, 2], len(TIMES)), time=np.tile(TIMES, 2))


def by_matrix_exponential(model: Model, output: str, values: dict[str, np.ndarray]) -> np.ndarray:
    """Superposition of scipy's matrix exponential, dose by dose."""
    linear = structure.linear(model)
    result = []
    for i, subject in enumerate((1, 2)):
        p = {name: value[i] for name, value in values.items()}
        matrix = np.array(linear.evaluate(ARRAYS, p)[0], dtype=float)
        how = equations.administration(model, ARRAYS, p)[model.state_names[0]]
        for t in TIMES:
            x = np.zeros(len(matrix))
            for at, amount, rate in _given(subject, t):
                x += _response(matrix, t - at - how.lag, float(amount * how.bioavailability), rate)
            states = dict(zip(model.state_names, x, strict=True))
            result.append(equations.outputs(model, ARRAYS, t, states, p)[output])
    return np.array(result, dtype=float)


def _given(subject: int, t: float) -> list[tuple[float, float, float]]:
    """Doses of a subject that a reset has not wiped out at t."""
    rows = [row for row in DOSES.to_dataframe().itertuples() if row.subject == subject]
    reset = max((row.time for row in rows if row.evid == 4 and row.time <= t), default=-1.0)
    return [
        (row.time + k * row.ii, row.amt, row.rate)
        for row in rows
        if row.time >= reset
        for k in range(int(row.addl) + 1)
    ]


def _response(matrix: np.ndarray, since: float, amount: float, rate: float) -> np.ndarray:
    n = len(matrix)
    if since < 0:
        return np.zeros(n)
    if rate == 0:
        return amount * scipy.linalg.expm(matrix * since)[:, 0]
    augmented = np.zeros((n + 1, n + 1))
    augmented[:n, :n], augmented[0, n] = matrix, rate
    during = min(since, amount / rate)
    return scipy.linalg.expm(matrix * (since - during)) @ scipy.linalg.expm(augmented * during)[:n, n]


@pytest.mark.parametrize("name", LINEAR)
def test_every_linear_model_agrees_with_the_matrix_exponential(name):
    model = load_model(name)
    output = model.output_names[-1]
    function = compiled(prediction(model, DOSES, SEEN, output), model)
    values = {key: np.array([value, value * 1.3 if key != "f" else 0.7]) for key, value in model.typical.items()}
    found, *gradients = function(values)
    wanted = by_matrix_exponential(model, output, values)
    np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-13 * np.abs(wanted).max())
    for key, gradient in zip(values, gradients, strict=True):
        for i in (0, 1):
            step = np.zeros(2)
            step[i] = 1e-5 * max(values[key][i], 0.1)
            sums = [
                (by_matrix_exponential(model, output, {**values, key: values[key] + s * step}) ** 2).sum()
                for s in (1, -1)
            ]
            if key == "tlag" and values[key][i] == 0:
                continue  # a negative lag has no meaning, so there is no two-sided difference
            assert gradient[i] == pytest.approx((sums[0] - sums[1]) / (2 * step[i]), rel=2e-6, abs=1e-6)


TURNOVER = {
    "name": "turnover",
    "reference": "made for this test",
    "time": "h",
    "parameters": {
        "kin": {"unit": "mg/h", "meaning": "production"},
        "kout": {"unit": "1/h", "meaning": "loss"},
        "k": {"unit": "1/h", "meaning": "passage"},
        "d": {"unit": "h", "meaning": "duration of an infusion"},
        "r": {"unit": "mg/h", "meaning": "rate of an infusion"},
        "f": {"unit": "1", "meaning": "fraction of a dose that arrives"},
    },
    "states": {
        "first": {"unit": "mg", "initial": "kin / kout", "duration": "d", "bioavailability": "f"},
        "second": {"unit": "mg", "initial": "2 * kin / k", "rate": "r", "lag": "d / 2", "bioavailability": "f"},
    },
    "derivatives": {"first": "kin - kout * first", "second": "kout * first - k * second"},
    "outputs": {"level": {"value": "second", "unit": "mg"}, "root": {"value": "first + second * 0", "unit": "mg"}},
}
P = {"kin": 3.0, "kout": 0.2, "k": 0.5, "d": 2.0, "r": 40.0, "f": 0.8}


def levels(times: list[float], output: str = "level", **doses: Any) -> np.ndarray:
    model = load_model(TURNOVER)
    seen = table("observation", subject=np.zeros(len(times), int), time=np.array(times, float))
    given = table("dose", **{"subject": np.zeros(len(doses["time"]), int), **doses})
    function = compiled(prediction(model, given, seen, output), model)
    return function({name: np.array([value]) for name, value in P.items()})[0]


def test_production_and_initial_amounts_go_on_from_the_first_record_and_from_a_reset():
    # With no dose that matters, first stays at kin / kout = 15, second falls from 12 to kin / k = 6 at rate k.
    found = levels([0.0, 1, 4, 9, 10, 13], time=[0.0, 9.0], amt=[0.0, 0.0], evid=[1, 3])
    since = np.array([0.0, 1, 4, 0, 1, 4])
    np.testing.assert_allclose(found, 6 + 6 * np.exp(-0.5 * since), rtol=1e-13)
    np.testing.assert_allclose(levels([0.0, 5], "root", time=[0.0], amt=[0.0]), 15, rtol=1e-13)


def test_infusions_timed_by_the_model():
    # RATE -2 into first: 80 of 100 mg over d = 2 h; first returns to 15 from what had gathered.
    found = levels([1.0, 2, 7], "root", time=[0.0], amt=[100.0], rate=[-2.0], cmt=[1])
    during = 40 / 0.2 * (1 - np.exp(-0.2 * np.array([1, 2, 2])))
    np.testing.assert_allclose(found, 15 + during * np.exp(-0.2 * np.array([0, 0, 5])), rtol=1e-13)
    # RATE -1 into second: 80 of 100 mg at r = 40 mg/h after a lag of d / 2 = 1 h, so over 2 h.
    found = levels([0.5, 2, 3.5, 6], time=[0.0], amt=[100.0], rate=[-1.0], cmt=["second"])
    gathered = 40 / 0.5 * (1 - np.exp(-0.5 * np.array([0, 1, 2, 2]))) * np.exp(-0.5 * np.array([0, 0, 0.5, 3]))
    np.testing.assert_allclose(found, 6 + 6 * np.exp(-0.5 * np.array([0.5, 2, 3.5, 6])) + gathered, rtol=1e-13)


def test_what_happens_at_one_time_follows_the_table():
    model = load_model("one_compartment_iv")
    seen = table("observation", subject=[7, 7, 7], time=[0.0, 0.0, 12.0], record=[0, 2, 3])
    doses = table("dose", subject=[7, 7], time=[0.0, 12.0], amt=[10.0, 30.0], record=[1, 4])
    found = prediction(model, doses, seen, "concentration")({"cl": 1.0, "v": 10.0}).eval(mode=PLAIN)
    np.testing.assert_allclose(found, [0, 1, np.exp(-1.2)], rtol=1e-14)
    untold = prediction(model, doses.drop_vars("record"), seen.drop_vars("record"), "concentration")
    found = untold({"cl": 1.0, "v": 10.0}).eval(mode=PLAIN)
    np.testing.assert_allclose(found, [1, 1, np.exp(-1.2) + 3], rtol=1e-14)


def test_subjects_are_in_the_order_asked_for():
    model = load_model("one_compartment_iv")
    seen = table("observation", subject=["b", "a"], time=[0.0, 0.0])
    doses = table("dose", subject=["a", "b"], time=[0.0, 0.0], amt=[10.0, 10.0])
    v = pt.as_tensor(np.array([1.0, 10.0]))
    first = prediction(model, doses, seen, "concentration")({"cl": 1.0, "v": v})
    np.testing.assert_allclose(first.eval(mode=PLAIN), [10, 1])
    asked = prediction(model, doses, seen, "concentration", subjects=["a", "b"])({"cl": 1.0, "v": v})
    np.testing.assert_allclose(asked.eval(mode=PLAIN), [1, 10])


def test_rates_so_fast_that_exponentials_underflow_leave_no_nan():
    model = load_model("theophylline_oral")
    seen = table("observation", subject=[1, 1], time=[1.0, 5000.0])
    doses = table("dose", subject=[1], time=[0.0], amt=[100.0])
    function = compiled(prediction(model, doses, seen, "concentration"), model)
    found = function(
        {key: np.array([v]) for key, v in {"ka": 1e4, "cl": 5.0, "v": 10.0, "f": 1.0, "tlag": 0.0}.items()}
    )
    assert found[0][0] == pytest.approx(10 * np.exp(-0.5), rel=1e-3)
    assert all(np.isfinite(part).all() for part in found)


def test_an_event_table_is_taken_as_it_is():
    """Observation before dose at one time, dose before observation, a reset, and a subject never observed."""
    records = pd.DataFrame(
        [
            (3, 0.0, 0, 0.0, 0.0),
            (3, 0.0, 1, 10.0, np.nan),
            (3, 0.0, 0, 0.0, 1.0),
            (3, 2.0, 0, 0.0, 1.0),
            (3, 2.0, 3, 0.0, np.nan),
            (3, 2.0, 0, 0.0, 1.0),
            (5, 0.0, 1, 10.0, np.nan),
            (4, 0.0, 1, 20.0, np.nan),
            (4, 1.0, 0, 0.0, 1.0),
        ],
        columns=["ID", "TIME", "EVID", "AMT", "DV"],
    )
    table = read_nonmem(records)
    model = load_model("one_compartment_iv")
    predicted = prediction(model, table.doses, table.observations, "concentration", subjects=table.ids.tolist())
    v = pt.as_tensor(np.array([{3: 1.0, 5: np.nan, 4: 2.0}[i] for i in table.ids.tolist()]))
    found = predicted({"cl": 0.5 * v, "v": v}).eval(mode=PLAIN)
    np.testing.assert_allclose(found, [0, 10, 10 * np.exp(-1), 0, 10 * np.exp(-0.5)], rtol=1e-14)
    with pytest.raises(DataError, match=r"v has the shape \(2,\), wanted one value for 3 subjects"):
        predicted({"cl": 1.0, "v": pt.as_tensor(np.ones(2))})


@pytest.mark.parametrize("solver", ["closed_form", "taylor"])
def test_what_is_fitted_is_what_is_simulated(solver):
    """Each of the twelve has a lag and a fraction absorbed of their own; one absorbs as fast as they eliminate."""
    table = read_nonmem(THEOPHYLLINE)
    model = load_model("theophylline_oral")
    rng = np.random.default_rng(2)
    values = {name: value * rng.lognormal(0, 0.4, 12) for name, value in model.typical.items()}
    values["tlag"] = rng.uniform(0, 0.4, 12)
    values["ka"][3] = values["cl"][3] / values["v"][3]
    predicted = prediction(model, table.doses, table.observations, "concentration", subjects=table.ids.tolist())
    fitted = compiled(predicted, model)(values)[0]
    times = np.unique(table.observations["time"].values)
    people = xr.Dataset({name: ("subject", value) for name, value in values.items()}, coords={"subject": table.ids})
    out = engine.simulate(model, people, table, times, solver=solver)
    where = {name: xr.DataArray(table.observations[name].values, dims="observation") for name in ("subject", "time")}
    simulated = out["concentration"].sel(where).values
    np.testing.assert_allclose(fitted, simulated, rtol=1e-10 if solver == "closed_form" else 1e-7, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "doses", "message"),
    [
        ("two_compartment_iv", {"cmt": [3]}, "subject 1: a dose goes into 3; states are central, peripheral"),
        ("two_compartment_iv", {"cmt": ["gut"]}, "a dose goes into 'gut'"),
        ("warfarin_inr", {"cmt": ["gut"]}, "a dose goes into 'gut'"),
        ("warfarin_inr", {"evid": [7]}, "EVID is 7; 0, 1, 2, 3 or 4 is wanted"),
    ],
)
def test_what_cannot_be_done_is_refused(name, doses, message):
    given = table("dose", **{"subject": [1], "time": [0.0], "amt": [1.0], **doses})
    seen = table("observation", subject=[1], time=[1.0])
    with pytest.raises((ModelError, DataError), match=message):
        prediction(load_model(name), given, seen, load_model(name).output_names[0])


def test_what_is_missing_is_named():
    seen = table("observation", subject=[1], time=[1.0])
    doses = table("dose", subject=[1], time=[0.0], amt=[1.0])
    model = load_model("one_compartment_iv")
    with pytest.raises(ModelError, match="has no output 'level'; there are concentration"):
        prediction(model, doses, seen, "level")
    with pytest.raises(ModelError, match="one_compartment_iv needs a value for cl"):
        prediction(model, doses, seen, "concentration")({"v": 1.0})
    with pytest.raises(DataError, match="doses lack time, amt; there are subject"):
        prediction(model, doses[["subject"]], seen, "concentration")
    with pytest.raises(DataError, match=r"observations of subjects without parameters: \[1\]"):
        prediction(model, doses, seen, "concentration", subjects=[2])
    timed = doses.assign(rate=("dose", [-2.0]))
    with pytest.raises(DataError, match="doses into central leave their duration to the model, which gives none"):
        prediction(model, timed, seen, "concentration")(model.typical)
