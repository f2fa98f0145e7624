"""Streaming: the very numbers of a simulation, in chunks, whatever the chunks, the workers and the interruptions."""

import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import engine
from engine import Dose, Regimen, Source, executors
from engine.outcomes import Largest
from engine.outcomes.metric import Metric
from engine.streaming import store as stores

N = 700
TIMES = np.array([0.0, 1.0, 2.0, 5.0, 12.0, 24.0, 36.0])
REGIMEN = Regimen(Dose(100, into="depot", every=12, times=3))


@dataclass(frozen=True, slots=True)
class Area(Metric):
    """Linear trapezoid over all samples."""

    def __call__(self, values, times):
        steps = np.diff(times) * (values[..., 1:] + values[..., :-1]) / 2
        return np.nansum(steps, axis=-1)

    def unit_of(self, value, time):
        return f"{value} * {time}"


@dataclass(frozen=True, slots=True)
class Mortal(Metric):
    """Largest value; kills its worker the first time, when its folder has no mark; one process is spared."""

    folder: str
    spared: int

    def __call__(self, values, _times):
        mark = Path(self.folder) / "died"
        if os.getpid() != self.spared and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return values.max(axis=-1)

    def unit_of(self, value, _time):
        return value


METRICS = {"auc": ("cp", Area()), "cmax": ("cp", Largest())}


def draw(seed: int, subjects: range) -> dict[str, np.ndarray]:
    """Parameters of the model `oral`, one block after another at its own place."""
    rng = np.random.default_rng([seed, subjects.start])
    typical = {"ka": 1.1, "cl": 3.2, "v": 25.0, "f": 1.0, "d": 2.0, "r": 10.0}
    found = {name: value * np.exp(0.3 * rng.standard_normal(len(subjects))) for name, value in typical.items()}
    return found | {"lag": 0.2}


SOURCE = Source(partial(draw, 1), subjects=N, block=256)


@pytest.fixture(scope="module")
def cohort(oral) -> xr.Dataset:
    """Patients with names of their own, one of whom cannot be simulated."""
    found = SOURCE.take(oral, range(N))
    found["cl"] = np.where(np.arange(N) == 611, np.nan, found["cl"])
    return xr.Dataset({name: ("subject", values) for name, values in found.items()}).assign_coords(
        subject=[f"P{number:04d}" for number in range(N)]
    )


@pytest.fixture(scope="module")
def whole(oral, cohort) -> xr.Dataset:
    return engine.simulate(oral, cohort, REGIMEN, TIMES)


def same(found: xr.Dataset, wanted: xr.Dataset) -> None:
    """Equal to the last bit, with names, units and attributes."""
    found = found.load()
    for name in wanted.variables:
        assert found[name].dims == wanted[name].dims, name
        if name != "subject":
            assert found[name].dtype == wanted[name].dtype, name
        np.testing.assert_array_equal(found[name].to_numpy(), wanted[name].to_numpy(), err_msg=str(name))
        assert found[name].attrs == wanted[name].attrs, name
    assert set(found.variables) == set(wanted.variables)
    assert {name: found.attrs[name] for name in wanted.attrs} == wanted.attrs


# ---- the same numbers
EXECUTORS = [None, executors.Threads(3), executors.Dask(workers=2)]


@pytest.mark.parametrize("executor", EXECUTORS, ids=str)
def test_a_store_holds_what_simulate_gives(oral, cohort, whole, tmp_path, executor):
    found = engine.stream(oral, cohort, REGIMEN, TIMES, to=tmp_path / "s.zarr", chunk=128, executor=executor)
    same(found, whole)
    same(xr.open_zarr(tmp_path / "s.zarr"), whole)
    assert [path.name for path in tmp_path.iterdir()] == ["s.zarr"]


@pytest.mark.parametrize("chunk", [1, 97, 512, 10_000, None])
def test_metrics_do_not_depend_on_chunks(oral, cohort, whole, chunk):
    if chunk == 1:
        cohort, whole = cohort.isel(subject=slice(600, 620)), whole.isel(subject=slice(600, 620))
    found = engine.stream(oral, cohort, REGIMEN, TIMES, metrics=METRICS, chunk=chunk)
    assert set(found.data_vars) == {"auc", "cmax", "status"}
    np.testing.assert_array_equal(
        found["auc"], np.where(whole["status"] == 0, Area()(whole["cp"].to_numpy(), TIMES), np.nan)
    )
    np.testing.assert_array_equal(found["cmax"], whole["cp"].max("time", skipna=False))
    np.testing.assert_array_equal(found["status"], whole["status"])
    assert found["auc"].attrs == {"units": "mg/L * h", "output": "cp"}
    assert list(found["subject"].to_numpy()) == list(whole["subject"].to_numpy())
    assert found.attrs == whole.attrs


@pytest.mark.parametrize("executor", EXECUTORS, ids=str)
def test_a_source_gives_each_subject_its_own_numbers(oral, executor):
    whole = engine.simulate(oral, xr.Dataset({k: ("subject", v) for k, v in SOURCE.take(oral, range(N)).items()}),
                            REGIMEN, TIMES)  # fmt: skip
    with (executor or executors.Serial()).open() as workers:
        for chunk in (100, 300, N):
            found = engine.stream(oral, SOURCE, REGIMEN, TIMES, metrics=METRICS, chunk=chunk, executor=workers)
            np.testing.assert_array_equal(found["cmax"], whole["cp"].max("time"))
    np.testing.assert_array_equal(found["subject"], np.arange(N))


def test_order_of_subjects_does_not_matter(oral, cohort, whole):
    found = engine.stream(oral, cohort.isel(subject=slice(None, None, -1)), REGIMEN, TIMES, metrics=METRICS, chunk=90)
    np.testing.assert_array_equal(found["cmax"][::-1], whole["cp"].max("time", skipna=False))


def test_parameters_are_read_from_disk_chunk_by_chunk(oral, cohort, whole, tmp_path):
    cohort.to_zarr(tmp_path / "cohort.zarr", consolidated=False, zarr_format=3)
    lazy = xr.open_zarr(tmp_path / "cohort.zarr", consolidated=False)
    same(engine.stream(oral, lazy, REGIMEN, TIMES, to=tmp_path / "s.zarr", chunk=128), whole)


def test_outputs_and_metrics_share_a_store(oral, cohort, whole, tmp_path):
    found = engine.stream(
        oral, cohort, REGIMEN, TIMES, to=tmp_path / "s.zarr", outputs=["total"], metrics=METRICS, chunk=300
    )
    assert set(found.data_vars) == {"total", "auc", "cmax", "status"}
    np.testing.assert_array_equal(found["total"], whole["total"])
    np.testing.assert_array_equal(found["cmax"], whole["cp"].max("time", skipna=False))


def test_a_regimen_and_times_for_each_subject(oral, cohort, tmp_path):
    regimens = [Regimen(Dose(50 + number % 7, into="depot")) for number in range(N)]
    times = np.sort(np.random.default_rng(1).uniform(0, 24, (N, 5)), axis=1)
    times[3, 4:] = np.nan
    whole = engine.simulate(oral, cohort, regimens, times)
    same(engine.stream(oral, cohort, regimens, times, to=tmp_path / "s.zarr", chunk=101), whole)
    found = engine.stream(oral, cohort, regimens, times, metrics=METRICS, chunk=101)
    wanted = Area()(whole["cp"].to_numpy(), whole["sample_time"].to_numpy())
    np.testing.assert_array_equal(found["auc"], np.where(whole["status"] == 0, wanted, np.nan))


@pytest.fixture
def events() -> engine.EventTable:
    """Event table with doses and sampling times of each subject's own, and a parameter that changes for some."""
    from engine.dosing.events import from_records

    rng, rows = np.random.default_rng(2), []
    for who in range(60):
        rows += [(who, 12.0 * n, 1, 100.0, 1, 3.2) for n in range(rng.integers(1, 4))]
        rows += [(who, at, 0, 0.0, 0, 3.2 + (who % 20 == 0) * at) for at in rng.uniform(0, 36, rng.integers(1, 6))]
    who, time, evid, amt, cmt, cl = np.array(rows).T
    return from_records(np.arange(100, 160), who, time, evid=evid, amt=amt, cmt=cmt, columns={"CL": cl})


@pytest.mark.parametrize("carry", [None, "forward"])
def test_event_tables_are_cut_by_subject(oral, cohort, events, tmp_path, carry):
    few = cohort.isel(subject=slice(60)).drop_vars(["subject", "cl"])
    whole = engine.simulate(oral, few, events, carry=carry)
    for chunk in (7, 60):
        found = engine.stream(oral, few, events, to=tmp_path / f"{chunk}.zarr", chunk=chunk, carry=carry)
        same(found, whole)
    np.testing.assert_array_equal(found["subject"], np.arange(100, 160))


def test_a_nonlinear_model_keeps_its_bits_too(effect, patient, tmp_path):
    rng = np.random.default_rng(3)
    cohort = xr.Dataset({name: ("subject", value * np.exp(0.2 * rng.standard_normal(60)))
                         for name, value in patient.items()})  # fmt: skip
    regimen = Regimen(Dose(10, into="depot", every=12, times=2))
    whole = engine.simulate(effect, cohort, regimen, TIMES)
    for chunk in (7, 60):
        same(engine.stream(effect, cohort, regimen, TIMES, to=tmp_path / f"{chunk}.zarr", chunk=chunk), whole)


# ---- a store is filled once
class Stop(KeyboardInterrupt):
    """A user's Ctrl-C."""


def stop_at(count: int, done: int, _total: int) -> None:
    if done >= count:
        raise Stop


def status_files(path: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in (path / "status" / "c").iterdir()}


def test_a_stopped_store_is_continued(oral, cohort, whole, tmp_path):
    ask = partial(engine.stream, oral, cohort, REGIMEN, TIMES, to=tmp_path / "s.zarr")
    with pytest.raises(Stop) as stopped:
        ask(chunk=64, progress=partial(stop_at, 128))
    assert "128 of 700 subjects are in" in stopped.value.__notes__[0]
    half = xr.open_zarr(tmp_path / "s.zarr")
    assert np.count_nonzero(half["status"] == stores.MISSING) == N - 128
    kept = status_files(tmp_path / "s.zarr")
    told = []
    same(ask(chunk=300, progress=lambda *what: told.append(what)), whole)
    assert told[0] == (128, N)
    assert kept.items() <= status_files(tmp_path / "s.zarr").items()
    assert len(status_files(tmp_path / "s.zarr")) == 11


def test_a_whole_store_is_given_back_as_it_is(oral, cohort, whole, tmp_path):
    ask = partial(engine.stream, oral, cohort, REGIMEN, TIMES, to=tmp_path / "s.zarr", chunk=350)
    ask()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "s.zarr").rglob("*")}
    same(ask(), whole)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "s.zarr").rglob("*")} == before


OTHERS = [
    ("parameters", lambda given: given | {"parameters": given["parameters"].assign(ka=2 * given["parameters"]["ka"])}),
    ("dosing", lambda given: given | {"dosing": Regimen(Dose(101, into="depot", every=12, times=3))}),
    ("times", lambda given: given | {"times": TIMES + 1}),
    ("solver", lambda given: given | {"solver": "reference"}),
    ("options", lambda given: given | {"before_dose": True}),
    ("outputs", lambda given: given | {"outputs": ["cp"]}),
    ("outputs, metrics", lambda given: given | {"metrics": METRICS}),
    ("subjects", lambda given: given | {"parameters": given["parameters"].drop_vars("subject")}),
]


@pytest.mark.parametrize(("what", "changed"), OTHERS, ids=[what for what, _ in OTHERS])
def test_another_request_is_refused_by_what_differs(oral, cohort, tmp_path, what, changed):
    given = {"parameters": cohort.isel(subject=slice(3)), "dosing": REGIMEN, "times": TIMES, "to": tmp_path / "s.zarr"}
    engine.stream(oral, **given)
    with pytest.raises(engine.StoreError, match=rf"holds another request, with other {what}; name another store"):
        engine.stream(oral, **changed(given))


def test_a_changed_engine_is_another_request(oral, cohort, tmp_path, monkeypatch):
    ask = partial(engine.stream, oral, cohort.isel(subject=slice(3)), REGIMEN, TIMES, to=tmp_path / "s.zarr")
    ask()
    monkeypatch.setattr("engine.streaming.request.code", lambda: "other")
    with pytest.raises(engine.StoreError, match="with other engine;"):
        ask()


def test_what_is_no_store_of_ours_is_left_alone(oral, cohort, tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "to_mother.txt").write_text("dear")
    cohort.to_zarr(tmp_path / "cohort.zarr", consolidated=False, zarr_format=3)
    for name in ("letters", "cohort.zarr"):
        with pytest.raises(engine.StoreError, match=r"no store that engine\.stream began"):
            engine.stream(oral, cohort, REGIMEN, TIMES, to=tmp_path / name)
    assert (tmp_path / "letters" / "to_mother.txt").read_text() == "dear"


def test_a_store_has_one_writer(oral, cohort, tmp_path):
    with stores.held(tmp_path / "s.zarr"), pytest.raises(engine.StoreError, match="another process is writing"):
        engine.stream(oral, cohort, REGIMEN, TIMES, to=tmp_path / "s.zarr")


def test_what_a_killed_beginning_left_is_swept_away(oral, cohort, tmp_path):
    (tmp_path / ".s.zarr.new").mkdir()
    (tmp_path / ".s.zarr.new" / "zarr.json").write_text("half")
    (tmp_path / ".s.zarr.lock").touch()
    engine.stream(oral, cohort.isel(subject=slice(3)), REGIMEN, TIMES, to=tmp_path / "s.zarr")
    assert [path.name for path in tmp_path.iterdir()] == ["s.zarr"]


# ---- deaths
def fill(path: str) -> None:
    """Stream to a store in many small chunks, for a process that will not live to see the end."""
    oral = pickle.loads((Path(path) / "model.pickle").read_bytes())
    cohort = pickle.loads((Path(path) / "cohort.pickle").read_bytes())
    engine.stream(oral, cohort, REGIMEN, TIMES, to=Path(path) / "s.zarr", chunk=4)


def test_a_killed_run_is_continued_to_the_same_bits(oral, cohort, whole, tmp_path):
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(oral))
    (tmp_path / "cohort.pickle").write_bytes(pickle.dumps(cohort))
    script = f"from tests.engine.test_stream import fill; fill({str(tmp_path)!r})"
    with subprocess.Popen([sys.executable, "-c", script], cwd=Path(__file__).parents[2]) as running:
        patience = time.monotonic() + 60
        while not (tmp_path / "s.zarr" / "status" / "c" / "9").exists():
            assert running.poll() is None
            assert time.monotonic() < patience
            time.sleep(0.01)
        running.kill()
    left = stores.opened(tmp_path / "s.zarr").missing()
    assert 0 < len(left) < N // 4
    same(engine.stream(oral, cohort, REGIMEN, TIMES, to=tmp_path / "s.zarr"), whole)


def test_a_killed_worker_costs_nothing(oral, cohort, whole, tmp_path):
    found = engine.stream(
        oral, cohort, REGIMEN, TIMES, metrics={"cmax": ("cp", Mortal(str(tmp_path), os.getpid()))}, chunk=100,
        executor=executors.Dask(workers=2), to=tmp_path / "s.zarr",
    )  # fmt: skip
    assert (tmp_path / "died").exists()
    np.testing.assert_array_equal(found["cmax"], whole["cp"].max("time", skipna=False))
