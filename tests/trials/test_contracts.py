"""What every design, analysis and endpoint promises, tested on each one there is: a new file is picked up by itself."""

import dataclasses
import importlib
import inspect
import json
import pickle
import pkgutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml

import trials.endpoints
from engine.outcomes import NCA
from trials.analyses.base import OUTPUTS, Analysis, analyse
from trials.designs.base import Design
from trials.endpoints.base import Endpoint
from trials.endpoints.course import Course

CONF = Path(__file__).resolve().parents[2] / "conf"
ARMS = {"arms": ("one", "two")}
ROLES = {"test": "one", "reference": "two", "control": "two", "arm": "one", "name": "it", "endpoint": "value"}


def specs(group):
    paths = sorted((CONF / group).glob("*.yaml"))
    assert paths, f"conf/{group} is empty"
    return [pytest.param(yaml.safe_load(path.read_text(encoding="utf-8")), id=path.stem) for path in paths]


def build(spec, given):
    """Instantiate a `_target_` mapping; `given` fills in what belongs to a trial, among the class's fields."""
    module, _, name = spec["_target_"].rpartition(".")
    kind = getattr(importlib.import_module(module), name)
    own = {field.name for field in dataclasses.fields(kind)}
    values = {key: value for key, value in spec.items() if key != "_target_"}
    return kind(**values | {key: value for key, value in given.items() if key in own})


def check_value_object(made, kind):
    """A frozen, slotted, final dataclass that prints, compares, hashes, pickles and goes through JSON."""
    assert isinstance(made, kind)
    assert dataclasses.is_dataclass(made)
    assert "__dict__" not in dir(made)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(made, dataclasses.fields(made)[0].name, "other")
    assert pickle.loads(pickle.dumps(made)) == made
    again = type(made)(**json.loads(json.dumps(dataclasses.asdict(made))))
    assert again == made
    assert hash(again) == hash(made)
    assert eval(repr(made), {type(made).__name__: type(made)}) == made


@pytest.mark.parametrize("spec", specs("design"))
def test_design(spec):
    design = build(spec, ARMS)
    check_value_object(design, Design)

    def rng(replicate):
        return np.random.default_rng((1, replicate))

    arm, sequence = design.assign(rng, range(3, 9)), design.sequence(rng, range(3, 9))
    assert arm.shape == (6, design.n, design.periods)
    assert sequence.shape == (6, design.n)
    assert arm.dtype.kind == sequence.dtype.kind == "i"
    assert set(np.unique(arm)) == set(range(len(design.arms)))
    np.testing.assert_array_equal(arm, np.asarray(design.orders)[sequence])
    np.testing.assert_array_equal(arm[2:4], design.assign(rng, range(5, 7)))
    starts = design.starts(10.0)
    assert len(starts) == design.periods
    assert starts[0] == 0.0
    assert (np.diff(starts) >= 10.0).all()
    assert design.duration(10.0) == starts[-1] + 10.0


def trial_data(crossover, replicates=12, n=30):
    """Positive data with one missing value and an empty replicate, as a crossover or as parallel groups."""
    rng = np.random.default_rng(2)
    dims = ("replicate", "subject", "period")
    first = rng.permuted(np.tile([0, 1], (replicates, n // 2)), axis=1)
    arm = np.stack([first, 1 - first], axis=-1) if crossover else first[..., None]
    values = rng.lognormal(3, 0.3, arm.shape)
    values[1, 0, 0], values[2] = np.nan, np.nan
    made = xr.Dataset({"value": (dims, values), "arm": (dims, arm, {"names": ["one", "two"]})})
    made["weight"] = (dims[:2], 70 + 10 * rng.standard_normal((replicates, n)))
    return made.assign_coords(replicate=np.arange(100, 100 + replicates))


@pytest.mark.parametrize("spec", specs("analysis"))
def test_analysis(spec):
    analysis = build(spec, ROLES)
    check_value_object(analysis, Analysis)
    data = trial_data(crossover="reference" in {field.name for field in dataclasses.fields(analysis)})
    before = data.copy(deep=True)
    found = analysis(data)
    xr.testing.assert_identical(data, before)
    assert set(OUTPUTS) <= set(found.data_vars)
    for name, kind in OUTPUTS.items():
        assert found[name].dims == ("replicate",)
        assert found[name].dtype == kind
    assert found["replicate"].values.tolist() == data["replicate"].values.tolist()
    assert found["failed"].values.tolist() == [False, False, True] + [False] * 9
    assert found["n"].values[2] == 0
    assert np.isnan(found["estimate"].values[2])
    good = found.sel(replicate=~found["failed"])
    assert ((good["lower"] < good["estimate"]) & (good["estimate"] < good["upper"])).all()
    assert found.attrs == {"analysis": "it", "endpoint": "value", "scale": analysis.scale, "level": analysis.level}
    alone = analysis(data.isel(replicate=[5]))
    for name in found.data_vars:
        np.testing.assert_array_equal(alone[name], found[name].isel(replicate=[5]), err_msg=str(name))


@pytest.mark.parametrize("spec", specs("analysis"))
def test_the_truth_of_an_analysis_is_what_it_estimates(spec):
    analysis = build(spec, ROLES)
    rng = np.random.default_rng(3)
    one = rng.lognormal(3, 0.3, 200_000)
    truth = analysis.truth({"one": one, "two": one / 1.1})
    assert truth.replicates == 200_000
    assert isinstance(analysis.null(truth.value), bool)
    if analysis.decides:
        assert analysis.null(truth.value, tolerance=1e9)
    found = analysis(trial_data("reference" in {field.name for field in dataclasses.fields(analysis)}, 200))
    centre = analysis.truth({"one": one, "two": np.roll(one, 1)}).value
    assert found["estimate"].mean().item() == pytest.approx(centre, abs=5 * found["se"].mean().item() / np.sqrt(200))


def test_analyses_of_one_kind_of_data_stand_side_by_side():
    made = [build(spec.values[0], ROLES | {"name": str(spec.id)}) for spec in specs("analysis")]
    parallel = [
        analysis for analysis in made if "reference" not in {field.name for field in dataclasses.fields(analysis)}
    ]
    found = analyse(parallel, trial_data(crossover=False))
    assert found["estimate"].dims == ("replicate", "analysis")
    assert found["analysis"].values.tolist() == [analysis.name for analysis in parallel]
    assert found["decides"].values.tolist() == [analysis.decides for analysis in parallel]


def endpoint_kinds():
    modules = [
        importlib.import_module(f"trials.endpoints.{found.name}")
        for found in pkgutil.iter_modules(trials.endpoints.__path__)
    ]
    kinds = {kind for module in modules for _, kind in inspect.getmembers(module, inspect.isclass)}
    return sorted(
        (kind for kind in kinds if issubclass(kind, Endpoint) and kind is not Endpoint), key=lambda kind: kind.__name__
    )


@pytest.mark.parametrize("kind", endpoint_kinds(), ids=lambda kind: kind.__name__)
def test_endpoint(kind):
    needs = {"metric": NCA("CMAX")} if kind is Course else {}
    endpoint = kind(name="it", unit="1", measure="what", **needs)
    assert pickle.loads(pickle.dumps(endpoint)) == endpoint
    assert "__dict__" not in dir(endpoint)
    assert len({endpoint, kind(name="it", unit="1", measure="what", **needs)}) == 1
    rng = np.random.default_rng(4)
    times = np.array([0.0, 1, 2, 4, 8, 12, 24])
    values = 3 * np.exp(-0.1 * times) * rng.lognormal(0, 0.1, (5, 4, 7))
    found = endpoint(values, times)
    assert found.shape == (5, 4)
    assert found.dtype == float
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[2, 1], endpoint(values[2, 1], times))
    np.testing.assert_array_equal(found[1:3], endpoint(values[1:3], times))
    assert np.isnan(endpoint(np.full(7, np.nan), times))
