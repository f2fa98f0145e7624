"""Contract of a model: every file of conf/model keeps it; a new file is tested without writing a test.

Besides what its equations say of themselves, a model shows an example and numbers that somebody else found; the keys of
the file are described in engine/models/evidence.py.
"""

import json
import re
from dataclasses import replace
from functools import lru_cache

import heyoka as hy
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import sympy as sp
from pytensor.compile.mode import Mode

from engine.checking import measured
from engine.errors import ModelError
from engine.models import equations, structure
from engine.models.algebras.arrays import ARRAYS
from engine.models.algebras.symbols import SYMBOLS
from engine.models.algebras.taylor import TAYLOR
from engine.models.algebras.tensors import TENSORS
from engine.models.evidence import Check, Example
from engine.models.expression import Name, evaluate
from engine.models.latex import latex
from engine.models.loading import Model, library, load_evidence, load_model
from engine.models.specification import Output
from engine.simulation import Arrays, simulate_arrays
from engine.solvers.base import Solver
from engine.solvers.reference import Reference
from engine.status import Status

pytestmark = pytest.mark.parametrize("name", library())
T = 3.7
INDEPENDENT = Reference(method="LSODA", relative=1e-9, absolute=1e-12, max_steps=200_000)
AGREEMENT = 1e-6  # of the output, and a thousandth of that of the largest the output becomes


@lru_cache
def trajectory(name: str) -> dict[str, np.ndarray]:
    """States in the course of the example, (time)."""
    model = load_model(name)
    states = tuple(Output(state.name, Name(state.name), state.unit) for state in model.states)
    example = load_evidence(name).example
    return {name: values[0] for name, values in run(replace(model, outputs=states), example).outputs.items()}


def run(model: Model, example: Example, **more) -> Arrays:
    """The example, simulated."""
    parameters = more.pop("parameters", model.typical | dict(example.parameters))
    return simulate_arrays(model, parameters, example.dosing, more.pop("times", example.times), **more)


def points(model: Model, count: int = 5) -> list[dict[str, float]]:
    """States where the example goes (a zero is a thousandth of the largest), and parameters around the typical ones."""
    rng = np.random.default_rng(sum(map(ord, model.name)))
    course = trajectory(model.name)
    moments = rng.integers(len(next(iter(course.values()))) // 10, len(next(iter(course.values()))), count)
    least = {name: 1e-3 * np.abs(values).max() or 1e-3 for name, values in course.items()}
    states = [
        {name: v[moment] if abs(v[moment]) > least[name] else least[name] for name, v in course.items()}
        for moment in moments
    ]
    return [
        {key: float(value) * rng.lognormal(0, 0.05) for key, value in {**state, **model.typical}.items()}
        for state in states
    ]


def split(model: Model, point: dict[str, float]) -> tuple[dict[str, float], dict[str, float]]:
    return {s: point[s] for s in model.state_names}, {p: point[p] for p in model.parameter_names}


def everything(model, algebra, t, states, parameters):
    """All that the model computes, in one dictionary."""
    found = dict(equations.derivatives(model, algebra, t, states, parameters))
    found |= {f"out {k}": v for k, v in equations.outputs(model, algebra, t, states, parameters).items()}
    found |= {f"start {k}": v for k, v in equations.initial(model, algebra, parameters).items()}
    for state, given in equations.administration(model, algebra, parameters).items():
        found |= {f"{state} {k}": v for k, v in given._asdict().items() if v is not None}
    return found


def test_it_loads_under_its_own_name_and_survives_json(name):
    model = load_model(name)
    assert model.name == name
    again = load_model(json.loads(json.dumps(model.to_dict(), sort_keys=False)))
    assert again == model
    assert again.digest == model.digest
    assert re.fullmatch("[0-9a-f]{64}", model.digest)


def test_its_numbers_have_meaning_value_and_source(name):
    model = load_model(name)
    assert re.search(r"doi:10\.\d{4,}/\S+|https?://\S+", model.reference)
    for parameter in model.parameters:
        assert parameter.meaning, parameter.name
        assert parameter.value is not None, parameter.name
        assert parameter.source, parameter.name
    assert all(output.meaning for output in model.outputs)
    assert set(model.typical) == set(model.parameter_names)


def test_every_algebra_computes_the_same(name):
    model = load_model(name)
    keys = [*model.state_names, *model.parameter_names]
    variables = dict(zip(keys, hy.make_vars(*keys), strict=True))
    exact = everything(model, TAYLOR, hy.time, *split(model, variables))
    compiled = hy.cfunc(list(exact.values()), vars=list(variables.values()))
    symbols = {key: sp.Symbol(key, real=True) for key in keys}
    symbolic = everything(model, SYMBOLS, sp.Float(T), *split(model, symbols))
    algebraic = sp.lambdify(list(symbols.values()), list(symbolic.values()), "math")
    tensors = {key: pt.dscalar(key) for key in keys}
    graphs = [pt.as_tensor(value) for value in everything(model, TENSORS, T, *split(model, tensors)).values()]
    plain = Mode(linker="py", optimizer=None)
    graph = pytensor.function(list(tensors.values()), graphs, on_unused_input="ignore", mode=plain)
    for point in points(model):
        wanted = [float(v) for v in everything(model, ARRAYS, T, *split(model, point)).values()]
        assert all(np.isfinite(wanted))
        values = [point[key] for key in keys]
        np.testing.assert_allclose(compiled(values, time=T), wanted, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(algebraic(*values), wanted, rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(graph(*values), wanted, rtol=1e-12, atol=1e-12)


def test_the_jacobian_is_sympys(name):
    model = load_model(name)
    symbols = {key: sp.Symbol(key, real=True) for key in (*model.state_names, *model.parameter_names)}
    rates = equations.derivatives(model, SYMBOLS, sp.Float(T), *split(model, symbols))
    states = [symbols[name] for name in model.state_names]
    theirs = sp.lambdify(list(symbols.values()), sp.Matrix(list(rates.values())).jacobian(states).tolist(), "math")
    ours = structure.jacobian(model)
    for point in points(model, 2):
        found = [[float(evaluate(entry, {**point, "t": T}, ARRAYS)) for entry in row] for row in ours]
        np.testing.assert_allclose(found, theirs(*point.values()), rtol=1e-10, atol=1e-12)


def test_a_linear_model_is_its_matrix(name):
    model = load_model(name)
    linear = structure.linear(model)
    for point in points(model, 3):
        states, parameters = split(model, point)
        rates = list(equations.derivatives(model, ARRAYS, T, states, parameters).values())
        if linear is None and not any("t" in rate.names for rate in structure.rates(model)):
            doubled = {state: 2 * value for state, value in states.items()}
            zero = dict.fromkeys(states, 0.0)
            again = list(equations.derivatives(model, ARRAYS, T, doubled, parameters).values())
            rest = list(equations.derivatives(model, ARRAYS, T, zero, parameters).values())
            assert not np.allclose(np.subtract(again, rest), 2 * np.subtract(rates, rest), rtol=1e-9)
        elif linear is not None:
            matrix, forcing = linear.evaluate(ARRAYS, parameters)
            np.testing.assert_allclose(
                np.array(matrix) @ list(states.values()) + forcing, rates, rtol=1e-12, atol=1e-12
            )


def test_without_doses_it_stays_where_it_starts_or_says_why(name):
    """A person who takes nothing has no drug: amounts start at 0 and outputs are finite and stand still."""
    model = load_model(name)
    parameters = model.typical
    start = equations.initial(model, ARRAYS, parameters)
    rates = [equations.derivatives(model, ARRAYS, t, start, parameters) for t in (0.0, T)]
    moving = max(abs(float(value)) for found in rates for value in found.values())
    assert (moving > 1e-12) == bool(load_evidence(name).moves), "the key moves says why states change without doses"
    found = equations.outputs(model, ARRAYS, 0.0, start, parameters)
    assert np.all(np.isfinite(list(found.values())))


def test_a_wrong_unit_in_any_parameter_is_refused(name):
    data = load_model(name).to_dict()
    for parameter, fields in data["parameters"].items():
        unit = fields["unit"]
        for wrong in (f"{unit}*kelvin" if unit != "1" else "kelvin", f"{unit}*percent" if unit != "1" else "percent"):
            fields["unit"] = wrong
            with pytest.raises(ModelError, match=f"model {name}, .*(must be|cannot|a base in)"):
                load_model(data)
        fields["unit"] = unit
        assert load_model(data).parameter_names, parameter


def test_its_latex_balances_and_has_every_equation(name):
    model = load_model(name)
    text = latex(model)
    for opening, closing in ((r"\left(", r"\right)"), ("{", "}"), (r"\begin", r"\end")):
        assert text.count(opening) == text.count(closing)
    assert text.count(r"\frac{d\,") == len(model.states)


def test_its_example_runs_and_an_independent_solver_agrees(name):
    model, example = load_model(name), load_evidence(name).example
    assert example is not None, "the key example is missing"
    found = run(model, example)
    assert found.status[0] == Status.ok
    some = np.linspace(0, len(example.times) - 1, 13).round().astype(int)
    again = run(model, example, times=example.times[some], solver=INDEPENDENT)
    assert again.status[0] == Status.ok
    for output, values in found.outputs.items():
        least = 1e-3 * AGREEMENT * np.abs(values).max()
        np.testing.assert_allclose(values[0, some], again.outputs[output][0], AGREEMENT, least, err_msg=output)


def test_every_parameter_changes_the_example(name):
    """One subject more for each parameter: a tenth higher, and another that has none of it (or 1, where it is 0)."""
    model, example = load_model(name), load_evidence(name).example
    typical = model.typical | dict(example.parameters)
    names = model.parameter_names
    values = {key: np.full(1 + 2 * len(names), typical[key]) for key in names}
    for number, key in enumerate(names):
        values[key][1 + 2 * number] *= 1.1
        values[key][2 + 2 * number] = 0.0 if typical[key] else 1.0
    found = run(model, example, parameters=values)
    assert found.status[0] == Status.ok
    changed = np.zeros(len(names), dtype=bool)
    for output in found.outputs.values():
        difference = np.nan_to_num(np.abs(output[1:] - output[0])).max(axis=1) > 1e-6 * np.abs(output[0]).max()
        changed |= difference.reshape(-1, 2).any(axis=1)
    assert not [key for key, matters in zip(names, changed, strict=True) if not matters]


def test_its_checks_are_met(name):
    checks = load_evidence(name).checks
    assert checks, "the key checks is missing"
    for check in checks:
        meets(name, check, "auto", check.tolerance)


@pytest.mark.slow
def test_an_independent_solver_meets_its_checks(name):
    for check in load_evidence(name).checks:
        if check.measure in ("at", "auc"):
            meets(name, check, INDEPENDENT, max(check.tolerance, AGREEMENT))


def meets(name: str, check: Check, solver: str | Solver, tolerance: float) -> None:
    found = measured(load_model(name), check, solver)
    assert found == pytest.approx(check.value, rel=tolerance, abs=0 if check.value else tolerance), check.source
