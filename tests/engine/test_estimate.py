"""What a simulation will take, said before; and what cannot fit, refused."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import engine
from engine import Dose, Regimen, Source, executors, memory
from engine.outcomes import Largest
from engine.streaming import run
from engine.streaming.progress import Line, clock

TIMES = np.linspace(0, 48, 97)
REGIMEN = Regimen(Dose(100, into="depot", every=12, times=3))
HOME = Path(__file__).parents[2]


def draw(subjects: range) -> dict[str, np.ndarray]:
    rng = np.random.default_rng([7, subjects.start])
    typical = {"ka": 1.1, "cl": 3.2, "v": 25.0, "f": 1.0, "d": 2.0, "r": 10.0}
    found = {name: value * np.exp(0.3 * rng.standard_normal(len(subjects))) for name, value in typical.items()}
    return found | {"lag": 0.2}


MANY = Source(draw, subjects=1_000_000)


def test_an_estimate_grows_with_the_subjects(oral):
    ask = partial(engine.estimate, oral, dosing=REGIMEN, times=TIMES, metrics={"cmax": ("cp", Largest())})
    held = memory.resident()
    one, ten = ask(MANY), ask(Source(draw, subjects=10_000_000))
    assert one.low <= one.seconds <= one.high
    assert ten.low > one.high / 2  # a busy machine is not that uneven
    assert ten.chunks > 9 * one.chunks
    assert one.result_bytes == 9_000_000
    assert one.disk_bytes == 0
    assert 0 < one.worker_bytes - held < 1_000_000_000  # held: what the tests before this one left in the process


def test_workers_share_the_time(oral):
    ask = partial(engine.estimate, oral, MANY, REGIMEN, TIMES, metrics={"cmax": ("cp", Largest())})
    one, four = ask(), ask(executor=executors.Threads(4))
    assert (one.workers, four.workers) == (1, 4)
    assert four.seconds < one.seconds / 2


def test_time_and_disk_are_about_right(oral, tmp_path, capsys):
    few = Source(draw, subjects=30_000)
    ask = {"to": tmp_path / "s.zarr", "outputs": ["cp"], "chunk": 5000}
    said = engine.estimate(oral, few, REGIMEN, TIMES, **ask)
    assert list(tmp_path.iterdir()) == []
    engine.stream(oral, few, REGIMEN, TIMES, **ask, progress=True)
    size = sum(path.stat().st_size for path in (tmp_path / "s.zarr").rglob("*") if path.is_file())
    assert said.disk_bytes == pytest.approx(size, rel=0.05)
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("30,000 subjects in 6 chunks, 1 at a time: about 0:0")
    assert told[0].endswith("on disk")
    assert told[-1].startswith("30,000 of 30,000 subjects, 100 %, 0:")


def test_a_line_says_the_time_left():
    class Terminal:
        def __init__(self):
            self.text = ""

        def isatty(self):
            return True

        def write(self, text):
            self.text += text

        def flush(self):
            pass

    line = Line("subjects", to=Terminal())
    line.began -= 10
    line(200, 1000)  # what was there already took no time
    line(400, 1000)
    last = line.to.text.split("\r")[-1].strip()
    assert last == "400 of 1,000 subjects, 40 %, 0:10 passed, 0:30 left"
    assert [clock(seconds) for seconds in (0, 59.6, 3599, 3661)] == ["0:00", "1:00", "59:59", "1:01:01"]


# ---- what does not fit
def test_simulate_refuses_what_memory_cannot_hold(oral, person, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 1_000_000)
    cohort = {**person, "cl": np.full(1000, 3.2)}
    with pytest.raises(engine.SizeError, match=r"1,000 subjects at 97 times take 1.55 MB; use engine.stream.*1 MB of"):
        engine.simulate(oral, cohort, REGIMEN, TIMES)
    engine.simulate(oral, {**person, "cl": np.full(10, 3.2)}, REGIMEN, TIMES)


def test_stream_refuses_what_the_disk_cannot_hold(oral, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10_000_000}))
    with pytest.raises(engine.SizeError, match=r"to: 1,000,000 subjects take 1.* GB, .* has 10 MB free; name another"):
        engine.stream(oral, MANY, REGIMEN, TIMES, to=tmp_path / "s.zarr")
    assert list(tmp_path.iterdir()) == []


def test_trajectories_want_a_store(oral):
    with pytest.raises(engine.DataError, match="trajectories need a store"):
        engine.stream(oral, MANY, REGIMEN, TIMES)


LIMITED = """
import resource, sys
import zarr
from tests.engine.test_estimate import *

zarr.config.set({"threading.max_workers": 1})  # the stack of every thread counts
model = engine.load_model(json.loads(sys.argv[2]))
often = np.linspace(0, 48, 961)
first = Source(draw, 2000)
engine.stream(model, first, REGIMEN, often, to=sys.argv[1] + ".first", chunk=512)  # libraries and compiled code
room = 64_000_000
used = memory._status("/proc/self/status", "VmData:")
resource.setrlimit(resource.RLIMIT_DATA, (used + room, resource.RLIM_INFINITY))
subjects = 4 * room // (8 * len(often) * len(model.outputs))
many = Source(draw, subjects)
try:
    engine.simulate(model, many.take(model, range(subjects)), REGIMEN, often)
except engine.SizeError as error:
    print(error)
found = engine.stream(model, many, REGIMEN, often, to=sys.argv[1], chunk=512)
assert found["cp"].nbytes + found["total"].nbytes >= 4 * room - 16_000
some = range(subjects - 100, subjects)
whole = engine.simulate(model, many.take(model, some), REGIMEN, often)
np.testing.assert_array_equal(found["cp"][-100:], whole["cp"])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of a process's memory is Linux's")
def test_four_times_the_memory_streams_to_disk(oral, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "s.zarr"), json.dumps(oral.to_dict())],
        cwd=HOME, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "take 256 MB; use engine.stream, in chunks to a store; " in done.stdout


def test_memory_is_found():
    assert 0 < memory.resident() < 100_000_000_000
    free = memory.available()
    assert free is not None
    assert free > 0
    assert [memory.text(size) for size in (0, 999, 1000, 1_500_000, 2.5e12)] == [
        "0 bytes", "999 bytes", "1 kB", "1.5 MB", "2.5 TB"
    ]  # fmt: skip


def test_a_small_run_is_not_estimated(oral, capsys):
    few = Source(draw, subjects=run.WORTH)
    engine.stream(oral, few, REGIMEN, [1.0], metrics={"cmax": ("cp", Largest())}, progress=True)
    assert "about" not in capsys.readouterr().err
