"""Five workloads beside numbalsoda's LSODA in one interleaved run: processor seconds, ratios, errors, first call.

    python -m benchmarks.workloads FOLDER

The folder (or the environment variable TRIALTWIN_WORKLOADS) has the subjects, doses, sampling times and references;
``workloads.yaml`` says which files. What is timed is the simulate call alone, on one core, arrays in and arrays out.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import record, summary

if TYPE_CHECKING:
    import engine
    from benchmarks.lsoda import Yardstick

type Floats = NDArray[np.float64]

HERE = Path(__file__).resolve().parent
FOLDER = "TRIALTWIN_WORKLOADS"
NAMES = ("W1", "W2", "W3", "W4", "W5")
MRGSOLVE = {"W1": 0.29 / 0.98, "W2": 1.1, "W3": 1.1, "W4": 1.1, "W5": 1.1}
"""How long mrgsolve 2.0.2 took at tolerance 1e-8 for one second of numbalsoda's LSODA, on one machine."""


@dataclass(frozen=True, slots=True, eq=False)
class Workload:
    """Subjects, (subject) by parameter; doses (time, amount) into one state; times; references (subject, time)."""

    name: str
    model: engine.Model
    parameters: Mapping[str, Floats]
    doses: Floats
    into: str
    times: Floats
    references: Mapping[str, Floats]

    @classmethod
    def read(cls, name: str, folder: Path) -> Workload:
        """Read a workload's files; only ``engine`` is imported for its model."""
        import yaml

        import engine

        about = yaml.safe_load((HERE / "workloads.yaml").read_text(encoding="utf-8"))[name]
        model = engine.load_model(about["model"])
        subjects, dose = _table(folder / f"{name}_parameters.csv.gz"), _table(folder / f"{name}_dose.csv")
        times = _table(folder / f"{name}_obs.csv")["time"]
        truth = _table(folder / f"{name}_reference.csv.gz")
        return cls(
            name, model, {key: subjects[key] for key in model.parameter_names},
            np.column_stack([dose["time"], dose["amt"]]), model.state_names[int(dose["cmt"][0]) - 1], times,
            {output: truth[column].reshape(-1, len(times)) for column, output in about["outputs"].items()},
        )  # fmt: skip

    def simulate(self) -> engine.simulation.Arrays:
        """Trajectories of every subject, by the solver the model asks for."""
        import engine

        return engine.simulate_arrays(self.model, self.parameters, self.regimen, self.times)

    @property
    def regimen(self) -> engine.Regimen:
        """Doses as people write them."""
        from engine import Dose, Regimen

        every = float(self.doses[1, 0] - self.doses[0, 0])
        return Regimen(Dose(float(self.doses[0, 1]), into=self.into, every=every, times=len(self.doses)))

    def error(self, outputs: Mapping[str, Floats]) -> float:
        """Largest error over the subjects that have a reference, relative to it and to a millionth of its peak."""
        worst = 0.0
        for name, truth in self.references.items():
            scale = np.abs(truth) + 1e-6 * np.abs(truth).max(axis=1, keepdims=True)
            found = np.abs(outputs[name][: len(truth)] - truth) / scale
            worst = max(worst, float(np.max(np.where(np.isnan(found), np.inf, found))))
        return worst


def main() -> None:
    """Measure every workload, or with ``--first`` make one call and say what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=os.environ.get(FOLDER), help="where the data are")
    parser.add_argument("--runs", type=int, default=7, help="how often each is timed")
    parser.add_argument("--first", choices=NAMES, help="one call in this process, its processor seconds printed")
    asked = parser.parse_args()
    if asked.folder is None:
        print(f"workloads: not measured; name the folder with their data, or set {FOLDER}", file=sys.stderr)
        return
    folder = Path(asked.folder)
    if asked.first:
        Workload.read(asked.first, folder).simulate()
        print(time.process_time())
    else:
        record("workloads", {label: row for name in NAMES for label, row in [_row(name, folder, asked.runs)]})


def _row(name: str, folder: Path, runs: int) -> tuple[str, dict[str, Any]]:
    """Label and measurements of a workload, ours and the yardstick's in turn."""
    workload = Workload.read(name, folder)
    peer = _yardstick(workload)
    found = workload.simulate()
    ours, theirs = [], []
    for _ in range(runs):
        ours.append(_seconds(workload.simulate))
        if peer is not None:
            theirs.append(_seconds(peer))
    row = summary(ours) | {"solver": found.solver, "error": workload.error(found.outputs)}
    row |= {"failed": int(np.count_nonzero(found.status)), "first_call_s": _first(name, folder)}
    if peer is not None:
        ratio = statistics.median(theirs) / row["median_s"]
        outputs = dict(zip(workload.references, peer(), strict=True))
        row |= {"lsoda_s": statistics.median(theirs), "lsoda_times_s": theirs, "lsoda_error": workload.error(outputs)}
        row |= {"times_lsoda": ratio, "times_mrgsolve": ratio * MRGSOLVE[name]}
    return f"{name}: {len(found.status):,} subjects, {len(workload.times)} samples, {len(workload.doses)} doses", row


def _yardstick(workload: Workload) -> Yardstick | None:
    try:
        from benchmarks.lsoda import Yardstick

        return Yardstick(
            workload.name, np.column_stack(list(workload.parameters.values())), workload.doses, workload.times
        )
    except ModuleNotFoundError as error:
        print(f"{workload.name}: no yardstick, {error.name} is not installed: ratios are left out", file=sys.stderr)
        return None


def _first(name: str, folder: Path) -> float:
    """Processor seconds of a new process: start, imports, data, model, compilation and one call; median of three."""
    command = [sys.executable, "-m", "benchmarks.workloads", str(folder), "--first", name]
    found = [subprocess.run(command, cwd=HERE.parent, check=True, capture_output=True, text=True) for _ in range(3)]
    return statistics.median(float(one.stdout) for one in found)


def _seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _table(path: Path) -> dict[str, Floats]:
    """Columns of a table of numbers."""
    import gzip

    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    names, *lines = content.decode("utf-8").splitlines()
    return dict(zip(names.split(","), np.loadtxt(lines, delimiter=",", ndmin=2).T, strict=True))


if __name__ == "__main__":
    main()
