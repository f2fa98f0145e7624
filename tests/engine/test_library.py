"""Contract of a model: every file of conf/model keeps it; a new file is tested without writing a test."""

import json
import re

import heyoka as hy
import numpy as np
import pytensor.tensor as pt
import pytest
import sympy as sp
from pytensor.compile.mode import Mode

from engine.errors import ModelError
from engine.models import equations, structure
from engine.models.algebras.arrays import ARRAYS
from engine.models.algebras.symbols import SYMBOLS
from engine.models.algebras.taylor import TAYLOR
from engine.models.algebras.tensors import TENSORS
from engine.models.expression import evaluate
from engine.models.latex import latex
from engine.models.loading import Model, library, load_model

pytestmark = pytest.mark.parametrize("name", library())
T = 3.7


def points(model: Model, count: int = 5) -> list[dict[str, float]]:
    """States around their initial values and parameters around the typical ones, all positive."""
    rng = np.random.default_rng(sum(map(ord, model.name)))
    start = equations.initial(model, ARRAYS, model.typical)
    around = {**{s: max(float(v), 10.0) for s, v in start.items()}, **model.typical}
    return [{key: value * rng.lognormal(0, 0.3) for key, value in around.items()} for _ in range(count)]


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
    tensors = {key: pt.dscalar(key) for key in keys}
    graphs = everything(model, TENSORS, T, *split(model, tensors))
    for point in points(model):
        wanted = {k: float(v) for k, v in everything(model, ARRAYS, T, *split(model, point)).items()}
        assert all(np.isfinite(value) for value in wanted.values())
        by_taylor = compiled([point[key] for key in keys], time=T)
        np.testing.assert_allclose(by_taylor, list(wanted.values()), rtol=1e-12, atol=1e-12)
        substituted = {symbols[key]: value for key, value in point.items()}
        for key, value in wanted.items():
            assert float(sp.sympify(symbolic[key]).subs(substituted)) == pytest.approx(value, rel=1e-11, abs=1e-11)
            given = {tensors[k]: np.float64(v) for k, v in point.items()}
            graph = pt.as_tensor(graphs[key])
            found = graph.eval(given, on_unused_input="ignore", mode=Mode(linker="py", optimizer=None))
            assert float(found) == pytest.approx(value, rel=1e-12, abs=1e-12)


def test_the_jacobian_is_sympys(name):
    model = load_model(name)
    symbols = {key: sp.Symbol(key, real=True) for key in (*model.state_names, *model.parameter_names)}
    rates = equations.derivatives(model, SYMBOLS, sp.Float(T), *split(model, symbols))
    ours = structure.jacobian(model)
    for point in points(model, 2):
        at = {symbols[key]: value for key, value in point.items()}
        for i, target in enumerate(model.state_names):
            for j, source in enumerate(model.state_names):
                wanted = float(sp.diff(rates[target], symbols[source]).subs(at))
                assert float(evaluate(ours[i][j], {**point, "t": T}, ARRAYS)) == pytest.approx(
                    wanted, rel=1e-10, abs=1e-12
                )


def test_a_linear_model_is_its_matrix(name):
    model = load_model(name)
    linear = structure.linear(model)
    for point in points(model, 3):
        states, parameters = split(model, point)
        rates = list(equations.derivatives(model, ARRAYS, T, states, parameters).values())
        if linear is None:
            doubled = {state: 2 * value for state, value in states.items()}
            zero = dict.fromkeys(states, 0.0)
            again = list(equations.derivatives(model, ARRAYS, T, doubled, parameters).values())
            rest = list(equations.derivatives(model, ARRAYS, T, zero, parameters).values())
            assert not np.allclose(np.subtract(again, rest), 2 * np.subtract(rates, rest), rtol=1e-9)
        else:
            matrix, forcing = linear.evaluate(ARRAYS, parameters)
            np.testing.assert_allclose(
                np.array(matrix) @ list(states.values()) + forcing, rates, rtol=1e-12, atol=1e-12
            )


def test_without_doses_it_stays_where_it_starts_or_says_why(name):
    """A person who takes nothing has no drug: amounts start at 0 and outputs are finite and stand still."""
    model = load_model(name)
    parameters = model.typical
    start = equations.initial(model, ARRAYS, parameters)
    rates = equations.derivatives(model, ARRAYS, 0.0, start, parameters)
    np.testing.assert_allclose(list(rates.values()), 0.0, atol=1e-12)
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
