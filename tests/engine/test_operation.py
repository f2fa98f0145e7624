"""Models without a closed form in fits: predictions and gradients as an operation of PyTensor."""

import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr
from pytensor.compile.mode import Mode

import engine
from engine.dosing.nonmem import read_nonmem
from engine.errors import DataError, ModelError
from engine.gradients import forward
from engine.gradients.graph import prediction
from engine.gradients.operation import Integration, Solve
from engine.models.loading import load_model

PLAIN = Mode(linker="py", optimizer="fast_compile")
REFERENCE = Path(__file__).parents[1] / "reference" / "one_compartment_saturable.json"
TIMES = np.array([0.5, 1.0, 2.0, 4.0, 7.0, 12.0, 20.0])


def table(dim, **columns):
    return xr.Dataset({name: (dim, np.asarray(values)) for name, values in columns.items()})


DOSES = table(
    "dose", subject=["b", "b", "a", "a", "c"], time=[0.0, 8.0, 0.0, 5.0, 0.0], amt=[200.0, 100, 150, 150, 200],
    rate=[0.0, 25, 0, 0, 0], ii=[0.0, 0, 6, 0, 12], addl=[0, 0, 1, 0, 0], ss=[0, 0, 0, 0, 1], evid=[1, 1, 1, 4, 1],
)  # fmt: skip
SEEN = table("observation", subject=np.repeat(["a", "b", "c"], len(TIMES)), time=np.tile(TIMES, 3))
PEOPLE = ["c", "nobody", "a", "b"]


@pytest.fixture(scope="module")
def model():
    return load_model("michaelis_menten_oral")


@pytest.fixture(scope="module")
def parameters(model):
    rng = np.random.default_rng(4)
    return {name: value * rng.lognormal(0, 0.2, len(PEOPLE)) for name, value in model.typical.items()}


@pytest.fixture(scope="module")
def predicted(model):
    return prediction(model, DOSES, SEEN, "concentration", subjects=PEOPLE)


def compiled(predicted, mode=PLAIN, **fixed):
    names = [name for name in predicted.model.parameter_names if name not in fixed]
    tensors = [pt.dvector(name) for name in names]
    y = predicted({**dict(zip(names, tensors, strict=True)), **fixed})
    gradients = pytensor.grad((y**2).sum(), tensors)
    function = pytensor.function(tensors, [y, *gradients], mode=mode)
    return lambda values: function(*(values[name] for name in names))


def test_it_predicts_what_is_simulated(model, predicted, parameters):
    assert isinstance(predicted, Integration)
    found = compiled(predicted)(parameters)[0].reshape(3, -1)
    for subject, values in zip("abc", found, strict=True):
        mine = DOSES.isel(dose=DOSES["subject"].values == subject).to_dataframe()
        columns = {"amt": "AMT", "time": "TIME", "rate": "RATE", "ii": "II", "addl": "ADDL", "ss": "SS", "evid": "EVID"}
        events = read_nonmem(mine.rename(columns=columns)[list(columns.values())].assign(ID=1))
        own = {name: values[PEOPLE.index(subject)] for name, values in parameters.items()}
        # The table lacks observations, so samples come after doses of their time, as here.
        wanted = engine.simulate_arrays(model, own, events, TIMES).outputs["concentration"][0]
        np.testing.assert_allclose(values, wanted, rtol=1e-8)


def test_its_gradient_is_that_of_differences(predicted, parameters):
    function = compiled(predicted)
    gradients = function(parameters)[1:]
    for name, gradient in zip(parameters, gradients, strict=True):
        assert gradient[1] == 0  # nobody was observed
        for subject in (0, 2, 3):
            slopes = []
            for share in (1e-3, 5e-4):
                step = np.zeros(len(PEOPLE))
                step[subject] = share * parameters[name][subject]
                sums = [(function({**parameters, name: parameters[name] + s * step})[0] ** 2).sum() for s in (1, -1)]
                slopes.append((sums[0] - sums[1]) / (2 * step[subject]))
            size = (function(parameters)[0] ** 2).sum() / parameters[name][subject]
            assert gradient[subject] == pytest.approx((4 * slopes[1] - slopes[0]) / 3, rel=1e-5, abs=1e-6 * size)


def test_compiled_and_plain_agree(predicted, parameters):
    plain = compiled(predicted)(parameters)
    for one, other in zip(compiled(predicted, "NUMBA")(parameters), plain, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-13)


def test_chains_in_threads_and_processes_get_the_same_bits(predicted, parameters):
    operation = predicted({name: pt.dvector(name) for name in parameters}).owner.op
    theta = np.stack([parameters[name] for name in operation.work.names], axis=1)
    plain = operation.solve(theta)
    travelled = pickle.loads(pickle.dumps(operation))
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda one: one.solve(theta), [operation, travelled] * 4))
    for found in results:
        np.testing.assert_array_equal(found[0], plain[0])
        np.testing.assert_array_equal(found[1], plain[1])


def test_derivatives_are_left_out_where_nothing_uses_them(predicted, parameters):
    tensors = {name: pt.dvector(name) for name in parameters}
    y = predicted(tensors)
    function = pytensor.function(list(tensors.values()), y, mode=PLAIN)
    operations = [node.op for node in function.maker.fgraph.apply_nodes if isinstance(node.op, Solve)]
    assert [one.derive for one in operations] == [False]
    np.testing.assert_allclose(function(*parameters.values()), compiled(predicted)(parameters)[0], rtol=1e-8)


def test_one_solution_serves_value_and_gradient(predicted, parameters, monkeypatch):
    calls = []
    original = forward.differentiate
    monkeypatch.setattr(forward, "differentiate", lambda task: calls.append(task) or original(task))
    compiled(predicted)(parameters)
    assert len(calls) == 1


def test_only_what_varies_is_differentiated(predicted, parameters):
    data = pytensor.shared(parameters["v"])
    free = {name: pt.dvector(name) for name in parameters if name not in ("v", "ka")}
    y = predicted({**free, "v": data * 1.0, "ka": 0.7})
    work = y.owner.op.work
    assert work.names == tuple(name for name in predicted.model.parameter_names if name != "ka")
    assert set(work.wrt) == set(free)
    assert work.fixed == {"ka": 0.7}


def test_a_subject_that_cannot_be_solved_is_not_a_number_and_leaves_the_others_alone(predicted, parameters):
    function = compiled(predicted)
    found, *gradients = function({**parameters, "vmax": parameters["vmax"] * np.array([1, 1, np.nan, 1])})
    whole = function(parameters)[0]
    assert np.all(np.isnan(found[:7]))
    np.testing.assert_array_equal(found[7:], whole[7:])
    assert all(np.isnan(gradient[2]) and np.isfinite(gradient[[0, 1, 3]]).all() for gradient in gradients)


def test_what_cannot_be_done_is_said(model, predicted):
    with pytest.raises(ModelError, match="michaelis_menten_oral needs a value for"):
        predicted({"ka": 1.0})
    with pytest.raises(DataError, match=r"ka has the shape \(2,\), wanted one value for 4 subjects"):
        predicted({**model.typical, "ka": pt.as_tensor(np.ones(2))})
    x = pt.dvector("x")
    slope = pytensor.grad(predicted({**model.typical, "ka": x}).sum(), x)
    with pytest.raises(NotImplementedError, match="cannot be differentiated again"):
        pytensor.grad(slope.sum(), x)


@pytest.mark.slow
def test_a_posterior_is_that_of_stans_reference():
    """The model one_comp_mm_elim_abs of posteriordb, its data and the means of 10,000 reference draws."""
    import arviz as az
    import nutpie
    import pymc as pm

    known = json.loads(REFERENCE.read_text())
    data = known["data"]
    model = load_model(
        {
            "name": "saturable", "reference": known["source"], "time": "h",
            "parameters": {
                "ka": {"unit": "1/h", "meaning": "absorption"}, "km": {"unit": "mg/L", "meaning": "half saturation"},
                "vm": {"unit": "mg/h", "meaning": "largest elimination"}, "v": {"unit": "L", "meaning": "volume"},
            },
            "states": {"depot": {"unit": "mg"}, "c": {"unit": "mg/L"}},
            "derivatives": {"depot": "-ka * depot", "c": "ka * depot / v - vm / v * c / (km + c)"},
            "outputs": {"concentration": {"value": "c", "unit": "mg/L"}},
        }
    )  # fmt: skip
    doses = table("dose", subject=[1], time=[0.0], amt=[float(data["D"])])
    seen = table("observation", subject=np.ones(len(data["times"]), int), time=np.array(data["times"], float))
    predicted = prediction(model, doses, seen, "concentration")
    with pm.Model() as posterior:
        ka, km, vm, sigma = (pm.HalfCauchy(name, 1.0) for name in ("k_a", "K_m", "V_m", "sigma"))
        y = predicted({"ka": ka, "km": km, "vm": vm, "v": float(data["V"])})
        pm.LogNormal("y", pt.log(y), sigma, observed=np.array(data["C_hat"]))
    compiled = nutpie.compile_pymc_model(posterior)
    trace = nutpie.sample(compiled, tune=400, draws=500, chains=4, seed=1, target_accept=0.9, progress_bar=False)
    for name, reference in known["reference_posterior"].items():
        draws, others = trace["posterior"][name], reference["n_draws"]

        def error(method, own=draws, others=others, **prob):
            """Monte Carlo error of the two together: that of the reference is ours for its number of draws."""
            share = float(az.ess(own, method=method, **prob)) / others
            return float(az.mcse(own, method=method, **prob)) * np.sqrt(1 + share)

        for prob in (0.05, 0.5, 0.95):
            off = float(draws.quantile(prob)) - reference[f"q{100 * prob:02.0f}"]
            assert abs(off) < 5 * error("quantile", prob=prob), f"{name}, quantile {prob}"
        if name in ("k_a", "sigma"):  # the density of K_m, and of V_m beside it, falls as K_m**-3: no variance
            assert abs(float(draws.mean()) - reference["mean"]) < 5 * error("mean"), name
