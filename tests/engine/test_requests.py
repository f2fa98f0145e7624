"""Predictions of several outputs, of parameters that differ between occasions, and of columns that change with time."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr
from pytensor.compile.mode import Mode

import engine
from engine.dosing.sampling import sample_places
from engine.errors import DataError, ModelError
from engine.gradients.graph import Prediction
from engine.gradients.operation import Integration

PLAIN = Mode(linker="py", optimizer="fast_compile")
COLUMNS = ["ID", "TIME", "EVID", "AMT", "occasion"]
VISITS = [1.0, 5.0, 19.5]


def course(evid: int, start: tuple[float, ...] = (0.0, 24.0, 48.0), dose: float = 100.0) -> engine.EventTable:
    """Two subjects, three occasions, one dose in each; occasions after the first begin with such a record."""
    rows = []
    for subject in ("b", "a"):
        for number, first in enumerate(start):
            rows.append((subject, first, evid if number else 1, dose, number))
            rows += [(subject, first + visit, 0, 0.0, number) for visit in VISITS]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    return engine.read_nonmem(frame.assign(DV=np.where(frame["EVID"] == 0, 1.0, np.nan)))


def parameters(model: engine.Model, shape: tuple[int, int], shared: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """Values about the typical ones, (subject, occasion), or (subject) for those that are shared."""
    rng = np.random.default_rng(1)
    found = {name: np.abs(value or 0.3) * rng.uniform(0.6, 0.95, shape) for name, value in model.typical.items()}
    return {name: values[:, 0] if name in shared else values for name, values in found.items()}


def function(predict: Any, values: Mapping[str, np.ndarray], weights: np.ndarray) -> Callable[..., list[np.ndarray]]:
    """The prediction, and the gradient of its weighted sum, as a function of arrays by name."""
    tensors = {name: pt.tensor(name, shape=value.shape, dtype="float64") for name, value in values.items()}
    y = predict(tensors)
    gradient = pytensor.grad((y * weights).sum(), list(tensors.values()), disconnected_inputs="ignore")
    compiled = pytensor.function(list(tensors.values()), [y, *gradient], mode=PLAIN, on_unused_input="ignore")
    return lambda found: compiled(*(found[name] for name in tensors))


def differs(f: Callable[..., list[np.ndarray]], values: Mapping[str, np.ndarray], weights: np.ndarray) -> float:
    """Largest distance of the gradient to extrapolated differences, in the size of what is differentiated."""
    found, *gradients = f(values)
    size, worst = np.abs(weights * found).sum(), 0.0
    for name, gradient in zip(values, gradients, strict=True):
        for place in np.ndindex(values[name].shape):
            step, sums = 1e-3 * values[name][place], []
            for share in (1, -1, 0.5, -0.5):
                moved = {key: value.copy() for key, value in values.items()}
                moved[name][place] += share * step
                sums.append((f(moved)[0] * weights).sum())
            rough, fine = (sums[0] - sums[1]) / (2 * step), (sums[2] - sums[3]) / step
            worst = max(worst, abs(gradient[place] - (4 * fine - rough) / 3) * values[name][place] / size)
    return worst


def simulated(model: engine.Model, table: engine.EventTable, values: Mapping[str, np.ndarray], output: str) -> Any:
    """The same through columns of the event table."""
    who, when = table.subject, table.columns["occasion"].astype(int)
    columns = {name: value[who, when] if value.ndim == 2 else value[who] for name, value in values.items()}
    table = replace(table, columns=columns)
    return engine.simulate_arrays(model, {}, table).outputs[output][sample_places(table)]


CASES = [
    ("theophylline_oral", "concentration", 4, Prediction), ("theophylline_oral", "concentration", 1, Integration),
    ("michaelis_menten_oral", "concentration", 4, Integration), ("warfarin_turnover", "response", 1, Integration),
]  # fmt: skip


@pytest.mark.parametrize(("name", "output", "evid", "kind"), CASES)
def test_parameters_of_occasions_predict_what_is_simulated_and_their_gradients_are_those_of_differences(
    name, output, evid, kind
):
    """Each occasion begins with a reset and a dose (EVID 4), or with a dose on top of what is left (EVID 1)."""
    model, table = engine.load_model(name), course(evid)
    values = parameters(model, (2, 3), shared=("ka",))
    predict = engine.prediction(model, table, output=output, subjects=table.ids.tolist())
    weights = np.random.default_rng(2).normal(size=18)
    f = function(predict, values, weights)
    np.testing.assert_allclose(f(values)[0], simulated(model, table, values, output), rtol=1e-8)
    assert differs(f, values, weights) < 1e-7
    assert isinstance(predict, Prediction) == (model.name == "theophylline_oral")
    operations = {type(one.op).__name__ for one in pytensor.graph.traversal.applys_between([], [predict(values)])}
    assert ("Solve" in operations) == (kind is Integration)


def test_a_parameter_of_each_occasion_is_one_of_a_subject_where_all_are_the_same():
    model, table = engine.load_model("theophylline_oral"), course(1)
    one = {name: values[:, 0] for name, values in parameters(model, (2, 3)).items()}
    alike = {name: np.repeat(values[:, None], 3, axis=1) for name, values in one.items()}
    predict = engine.prediction(model, table, subjects=table.ids.tolist())
    weights = np.ones(18)
    first, second = (function(predict, values, weights)(values) for values in (one, alike))
    np.testing.assert_allclose(second[0], first[0], rtol=1e-11)
    for single, several in zip(first[1:], second[1:], strict=True):
        np.testing.assert_allclose(several.sum(axis=1), single, rtol=1e-8)


@pytest.mark.parametrize("told", ["record", "occasion"])
def test_an_occasion_whose_time_starts_again_is_one_whose_time_goes_on(told):
    model = engine.load_model("one_compartment_iv")
    again, on = (course(4, start) for start in ((0.0, 0.0, 0.0), (0.0, 24.0, 48.0)))
    values = parameters(model, (2, 3))
    found = []
    for table in (again, on):
        rows, doses = table.observations, table.doses
        if told == "occasion":
            rows = rows.drop_vars("record")
            doses = doses.drop_vars("record").assign(occasion=("dose", [0, 1, 2, 0, 1, 2]))
        found.append(engine.prediction(model, doses, rows, subjects=["b", "a"])(values).eval(mode=PLAIN))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-13)
    rate = values["cl"] / values["v"]
    wanted = 100 / values["v"][:, :, None] * np.exp(-rate[:, :, None] * np.array(VISITS))
    np.testing.assert_allclose(found[0], wanted.ravel(), rtol=1e-12)


@pytest.mark.parametrize("name", ["effect_compartment", "warfarin_turnover"])
def test_several_outputs_are_those_asked_for_one_by_one(name):
    model, table = engine.load_model(name), course(4)
    values = parameters(model, (2, 3))
    rows = table.observations
    both = xr.concat([rows.assign(output=("observation", [one] * 18)) for one in model.output_names[:2]], "observation")
    mixed = both.isel(observation=np.random.default_rng(3).permutation(36))
    predict = engine.prediction(model, table.doses, mixed, subjects=["b", "a"])
    assert len(predict.observed.samples.time) * predict.observed.samples.time.shape[1] == 18  # one sample serves both
    weights = np.random.default_rng(4).normal(size=36)
    f = function(predict, values, weights)
    alone = [engine.prediction(model, table.doses, rows, one, subjects=["b", "a"]) for one in model.output_names[:2]]
    single = np.stack([one(values).eval(mode=PLAIN) for one in alone])
    order = mixed["record"].values
    place = np.searchsorted(rows["record"].values, order)
    wanted = single[[model.output_names.index(one) for one in mixed["output"].values.tolist()], place]
    np.testing.assert_allclose(f(values)[0], wanted, rtol=1e-9)
    assert differs(f, values, weights) < 1e-7


# ------------------------------------------------------------------------------------------ columns of the event table


@pytest.fixture(scope="module")
def saturable(make_model):
    """Elimination saturates, and a weight that changes moves every part of it."""
    central = {"unit": "mg", "initial": "wt * km", "duration": "d * wt"}
    return make_model(
        {"ka": "1/h", "vmax": "mg/h", "km": "mg", "wt": "1", "lag": "h", "d": "h"},
        {"depot": {"unit": "mg", "lag": "lag * wt"}, "central": central},
        {"depot": "-ka * depot", "central": "ka * depot - vmax * wt * central / (km + central)"},
        {"seen": ("central / wt", "mg")},
        name="saturable",
    )  # fmt: skip


VALUES = {"ka": 0.9, "vmax": 12.0, "km": 20.0, "lag": 0.4, "d": 2.0}


def growing(restart: bool = False) -> engine.EventTable:
    rows = [
        (1, 0.0, 1, 100.0, 0, 1, 1.0, 0, 0, 0), (1, 2.0, 0, 0.0, 0, 1, 1.0, 0, 0, 0),
        (1, 4.0, 2, 0.0, 0, 1, 1.3, 0, 0, 0), (1, 6.0, 1, 80.0, -2, 2, 1.1, 0, 0, 0),
        (1, 7.5, 0, 0.0, 0, 1, 1.2, 0, 0, 0), (1, 8.0, 1, 40.0, 0, 1, 0.8, 5.0, 2, 0),
        (1, 20.0, 0, 0.0, 0, 1, 1.4, 0, 0, 0), (1, 22.0, 1, 50.0, 0, 1, 1.5, 9.0, 1, 1),
        (1, 27.0, 0, 0.0, 0, 1, 1.5, 0, 0, 0),
        (1, 3.0 if restart else 30.0, 4, 90.0, 0, 1, 1.6, 0, 0, 0),
        (1, 5.0 if restart else 32.0, 0, 0.0, 0, 1, 1.7, 0, 0, 0),
    ]  # fmt: skip
    columns = ["ID", "TIME", "EVID", "AMT", "RATE", "CMT", "WT", "II", "ADDL", "SS"]
    frame = pd.DataFrame(rows, columns=columns)
    return engine.read_nonmem(frame.assign(DV=np.where(frame["EVID"] == 0, 1.0, np.nan)))


@pytest.mark.parametrize("carry", ["backward", "forward"])
@pytest.mark.parametrize("restart", [False, True])
def test_a_column_that_changes_with_time_in_predictions_and_sensitivities(saturable, carry, restart):
    table = growing(restart)
    plain = engine.simulate_arrays(saturable, VALUES, table, carry=carry).outputs["seen"][0]
    slopes = engine.sensitivity_arrays(saturable, VALUES, table, carry=carry)
    assert slopes.wrt == tuple(VALUES)
    np.testing.assert_allclose(slopes.outputs["seen"][0], plain, rtol=1e-8)
    predict = engine.prediction(saturable, table, carry=carry)
    values, weights = {name: np.array([value]) for name, value in VALUES.items()}, np.array([1.0, 2, -1, 0.5, 3])
    f = function(predict, values, weights)
    np.testing.assert_allclose(f(values)[0], plain, rtol=1e-8)
    assert differs(f, values, weights) < 1e-6
    np.testing.assert_allclose(np.concatenate(f(values)[1:]), weights @ slopes.slopes["seen"][0], rtol=1e-7)


def test_a_linear_model_whose_column_changes_is_that_of_two_stretches(make_model):
    model = make_model({"k": "1/h", "x": "1"}, {"a": "mg"}, {"a": "-k * x * a"}, {"a": ("a", "mg")})
    rows = [(1, 0.0, 1, 10.0, 1.0), (1, 2.0, 0, 0.0, 1.0), (1, 5.0, 2, 0.0, 3.0), (1, 6.0, 0, 0.0, 0.5)]
    frame = pd.DataFrame(rows, columns=["ID", "TIME", "EVID", "AMT", "X"])
    table = engine.read_nonmem(frame.assign(DV=np.where(frame["EVID"] == 0, 1.0, np.nan)))
    f = function(engine.prediction(model, table), values := {"k": np.array([0.1])}, np.ones(2))
    found, gradient = f(values)
    used = np.array([2.0, 2 + 3 * 3 + 0.5])
    np.testing.assert_allclose(found, 10 * np.exp(-0.1 * used), rtol=1e-12)
    np.testing.assert_allclose(gradient, -np.sum(10 * used * np.exp(-0.1 * used)), rtol=1e-10)


# ------------------------------------------------------------------------------------------------------------ refusals


def test_a_dose_without_an_occasion_has_that_of_the_next_observation():
    model, table = engine.load_model("theophylline_oral"), course(1)
    values = parameters(model, (2, 3))
    told = engine.prediction(model, table, subjects=["b", "a"])(values).eval(mode=PLAIN)
    rows = table.observations[["subject", "time", "occasion"]]
    untold = engine.prediction(model, table.doses, rows, subjects=["b", "a"])(values).eval(mode=PLAIN)
    np.testing.assert_array_equal(untold, told)


def test_what_cannot_be_asked_is_said():
    model, table = engine.load_model("warfarin_turnover"), course(1)
    rows = table.observations
    with pytest.raises(ModelError, match="output: model warfarin_turnover has concentration, response; say which"):
        engine.prediction(model, table, subjects=["b", "a"])
    named = rows.assign(output=("observation", ["response"] * 17 + ["level"]))
    with pytest.raises(ModelError, match="has no output 'level'"):
        engine.prediction(model, table, named)
    with pytest.raises(DataError, match="'concentration' is asked for, but a row asks for 'response'"):
        engine.prediction(model, table, named.isel(observation=slice(17)), "concentration")
    with pytest.raises(DataError, match="whole numbers from 0 are wanted"):
        engine.prediction(model, table.doses, rows.assign(occasion=("observation", np.full(18, 0.5))), "response")
    with pytest.raises(DataError, match="a table of requests is wanted"):
        engine.prediction(model, table.doses, output="response")
    predict = engine.prediction(model, table, output="response", subjects=["b", "a"])
    with pytest.raises(DataError, match=r"cl has the shape \(2, 2\), wanted one value for 2 subjects in 3 occasions"):
        predict({**model.typical, "cl": np.ones((2, 2))})
    with pytest.raises(ModelError, match="warfarin_turnover needs a value for cl"):
        predict({name: value for name, value in model.typical.items() if name != "cl"})
