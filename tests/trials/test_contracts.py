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
from trials.boundaries.haybittle_peto import HaybittlePeto
from trials.designs.base import Design
from trials.endpoints.base import Profile
from trials.endpoints.course import Course

CONF = Path(__file__).resolve().parents[2] / "conf"
ARMS = {"arms": ("one", "two"), "boundary": HaybittlePeto()}
ARMS_OF = {"factorial": {"arms": ("one+a", "one+b", "two+a", "two+b")}}
"""Arms of a design that cannot do with two."""
ROLES = {"test": "one", "reference": "two", "control": "two", "arm": "one", "name": "it", "endpoint": "value"}
ROLES |= {"baseline": "base", "arms": ("one", "two", "three", "four")}
"""What belongs to a trial, by the name of the field: arms, the endpoint and its baseline."""


def specs(group):
    paths = sorted((CONF / group).glob("*.yaml"))
    assert paths, f"conf/{group} is empty"
    return [pytest.param(yaml.safe_load(path.read_text(encoding="utf-8")), id=path.stem) for path in paths]


def build(spec, given):
    """Instantiate a `_target_` mapping; `given` fills in what belongs to a trial, among the class's fields."""
    module, _, name = spec["_target_"].rpartition(".")
    kind = getattr(importlib.import_module(module), name)
    own = {field.name for field in dataclasses.fields(kind)}
    values = {key: value for key, value in spec.items() if key not in ("_target_", "defaults")}
    return kind(**values | {key: value for key, value in given.items() if key in own})


def check_value_object(made, kind):
    """A frozen, slotted, final dataclass that prints, compares, hashes, pickles and goes through JSON."""
    assert isinstance(made, kind)
    assert dataclasses.is_dataclass(made)
    assert "__dict__" not in dir(made)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(made, dataclasses.fields(made)[0].name, "other")
    assert pickle.loads(pickle.dumps(made)) == made
    held = {field.name: getattr(made, field.name) for field in dataclasses.fields(made)}
    parts = {name: value for name, value in held.items() if dataclasses.is_dataclass(value)}
    plain = json.loads(json.dumps({name: value for name, value in held.items() if name not in parts}))
    again = type(made)(**plain, **parts)
    assert again == made
    assert hash(again) == hash(made)
    assert eval(repr(made), {type(one).__name__: type(one) for one in (made, *parts.values())}) == made


@pytest.mark.parametrize("spec", specs("design"))
def test_design(spec, request):
    design = build(spec, ARMS_OF.get(request.node.callspec.id, ARMS))
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


def as_measured(kind, values, rng):
    """Turn log-normal values (median 20) into what an analysis of this kind of endpoint wants."""
    if kind == "binary":
        return np.where(np.isnan(values), np.nan, values > 20)
    if kind == "ordinal":
        return np.where(np.isnan(values), np.nan, np.digitize(values, [15, 20, 27]))
    if kind == "count":
        return np.where(np.isnan(values), np.nan, rng.poisson(np.nan_to_num(values) / 4))
    return values


SEQUENCES = {"parallel": [[0], [1]], "crossover": [[0, 1], [1, 0]], "replicate": [[0, 1, 0, 1], [1, 0, 1, 0]]}


def trial_data(analysis, replicates=12, n=30):
    """Data of the kind an analysis is for, with one missing value and an empty replicate."""
    rng = np.random.default_rng(2)
    dims = ("replicate", "subject", "period")
    arms = list(getattr(analysis, "arms", ("one", "two")))
    orders = np.array(SEQUENCES[analysis.layout] if len(arms) == 2 else [[index] for index in range(len(arms))])
    arm = orders[rng.permuted(np.tile(np.arange(n) % len(orders), (replicates, 1)), axis=1)]
    values = rng.lognormal(3, 0.3, arm.shape)
    values[1, 0, 0], values[2] = np.nan, np.nan
    if analysis.measure in ("survival", "repeated"):
        return longitudinal(analysis.measure, values[..., 0], arm[..., 0], arms, rng)
    values = as_measured(analysis.measure, values, rng)
    made = xr.Dataset({"value": (dims, values), "arm": (dims, arm, {"names": arms})})
    made["weight"] = (dims[:2], 70 + 10 * rng.standard_normal((replicates, n)))
    made["stratum"] = (dims[:2], rng.integers(0, 2, (replicates, n)), {"names": ["a", "b"]})
    return made.assign_coords(replicate=np.arange(100, 100 + replicates))


def longitudinal(kind, values, arm, names, rng):
    """Times to event, or repeated measurements with a baseline, of parallel groups."""
    dims = ("replicate", "subject")
    made = xr.Dataset({"arm": (dims, arm, {"names": names})})
    made["weight"] = (dims, 70 + 10 * rng.standard_normal(arm.shape))
    made["stratum"] = (dims, rng.integers(0, 2, arm.shape), {"names": ["a", "b"]})
    if kind == "survival":
        made["value"] = (dims, np.minimum(values, 28.0))
        made["value_event"] = (dims, values < 28.0)
    else:
        made["base"] = (dims, 20 + rng.standard_normal(arm.shape))
        visits = values[..., None] + 3 * rng.standard_normal((*arm.shape, 3))
        made["value"] = ((*dims, "visit_value"), visits)
        made = made.assign_coords(visit_value=[4.0, 8.0, 12.0])
    return made.assign_coords(replicate=np.arange(100, 100 + len(arm)))


@pytest.mark.parametrize("spec", specs("analysis"))
def test_analysis(spec):
    analysis = build(spec, ROLES)
    check_value_object(analysis, Analysis)
    data = trial_data(analysis)
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
    values = rng.lognormal(3, 0.3, 200_000)
    arms = getattr(analysis, "arms", ("one", "two"))
    one = as_measured(analysis.measure, values, rng)
    truth = analysis.truth({arm: as_measured(analysis.measure, values / 1.1**i, rng) for i, arm in enumerate(arms)})
    assert truth.replicates == 200_000
    assert isinstance(analysis.null(truth.value), bool)
    if analysis.decides:
        assert analysis.null(truth.value, tolerance=1e9)
    found = analysis(trial_data(analysis, 200))
    centre = analysis.truth({arm: np.roll(one, i) for i, arm in enumerate(arms)}).value
    assert found["estimate"].mean().item() == pytest.approx(centre, abs=5 * found["se"].mean().item() / np.sqrt(200))


def test_analyses_of_one_kind_of_data_stand_side_by_side():
    made = [build(spec.values[0], ROLES | {"name": str(spec.id)}) for spec in specs("analysis")]
    alike = [
        one for one in made if (one.measure, one.layout) == ("continuous", "parallel") and not hasattr(one, "arms")
    ]
    found = analyse(alike, trial_data(alike[0]))
    assert found["estimate"].dims == ("replicate", "analysis")
    assert found["analysis"].values.tolist() == [analysis.name for analysis in alike]
    assert found["decides"].values.tolist() == [analysis.decides for analysis in alike]


def endpoint_kinds():
    modules = [
        importlib.import_module(f"trials.endpoints.{found.name}")
        for found in pkgutil.iter_modules(trials.endpoints.__path__)
    ]
    kinds = {kind for module in modules for _, kind in inspect.getmembers(module, inspect.isclass)}
    return sorted(
        (kind for kind in kinds if issubclass(kind, Profile) and kind is not Profile), key=lambda kind: kind.__name__
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
