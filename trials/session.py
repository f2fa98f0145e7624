"""One run on its way: evidence, blocks, truth, and the folder they end up in."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import executors
from engine.simulation import choose
from engine.solvers.base import Solver
from engine.streaming.progress import clock
from trials import manifest, outcomes, results, stopping, store, streams
from trials.block import Work, simulate_block
from trials.calibration import Evidence, gather
from trials.evidence.answers import plan_digest
from trials.folder import RunFolder, open_folder
from trials.operating import characteristics
from trials.plan import Part, missing, parts, portion
from trials.precision import wanted
from trials.protocol import Protocol, Result, Trial
from trials.rules.scoring import score
from trials.trust import audit
from trials.truth import Truths, TruthWork, true_values

if TYPE_CHECKING:
    from engine.execute import Executor

type Arrays = Mapping[str, np.ndarray]


@dataclass(slots=True)
class Session:
    """A run while it is being made."""

    trial: Trial
    executor: Executor | None
    root: Path | None
    progress: Callable[[str, int, int], None] | None
    home: RunFolder | None = None
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    seconds: dict[str, float] = field(default_factory=dict)
    added: int = 0
    """Replicates added for the sake of precision."""
    by: audit.Attribution = field(default_factory=audit.Attribution)
    """Who runs it and why, for its audit log."""

    @property
    def seed(self) -> int:
        """What all randomness of the run follows from."""
        return int(self.trial.config["seed"])

    @property
    def replicates(self) -> int:
        """Simulated trials under each scenario."""
        return int(self.trial.config["replicates"]) + self.added

    def result(self) -> Result:
        """Make the run, or the rest of it."""
        if self.root is not None:
            self._open(self.root)
        evidence = self._evidence()
        if self.home is not None:
            self._claim(self.home, evidence)
        arrays, effects = self._precise(evidence)
        made = self._collect(arrays, effects, evidence)
        return made if self.home is None else self._write(made, self.home, evidence)

    def tell(self, what: str, done: int, total: int) -> None:
        """Tell whoever watches; stop here if that was asked for."""
        stopping.check()
        if self.progress is not None:
            self.progress(what, done, total)

    def note(self, action: str, *, old: audit.Detail = None, new: audit.Detail = None) -> None:
        """Write a line of the run's audit log; every run that has a folder has one."""
        if self.home is not None:
            audit.append(
                self.home.path, action, self.trial.name, old=old, new=new, reason=self.by.reason, actor=self.by.actor
            )

    def close(self) -> None:
        """Let go of the folder, finished or not."""
        if self.home is not None:
            self.home.release()

    def how_to_continue(self) -> str:
        """Say what a stopped run left and how to go on with it."""
        if self.home is None:
            return "stopped; nothing was written"
        done = len(list(self.home.partial.glob("*.npz")))
        return f"stopped with {done} blocks done in {self.home.path}; the same command continues there"

    def _evidence(self) -> Evidence:
        with self._timed("evidence"):
            return gather(self.trial, self.seed, self.root, self.tell)

    def _open(self, root: Path) -> None:
        self.home, there = open_folder(root, self.trial)
        about = {
            "config": self.trial.digest, "code": manifest.source_digest(), "seed": self.seed,
            "replicates": self.replicates, "overrides": list(self.by.overrides),
            "commit": manifest.git_state().get("commit"), "version": manifest.versions()["trialtwin"],
            "plan": plan_digest(self.trial.name),
        }  # fmt: skip
        self.note("run continued" if there else "run started", new=about)

    def _claim(self, home: RunFolder, evidence: Evidence) -> None:
        """Keep the blocks that the same configuration, posterior and code made, and say so."""
        identity = {"config": self.trial.digest, "posterior": evidence.digest, "code": manifest.source_digest()}
        before, blocks = home.identity(), len(list(home.partial.glob("*.npz")))
        same = home.claim(identity)
        if same:
            self.tell(f"continuing in {home.path}", 1, 1)
        elif before is not None:
            self.note("blocks dropped", old={**before, "blocks": blocks}, new=identity)
        self.note("population known", new={"posterior": evidence.digest, **_words(evidence.about, "population", "fit")})
        evidence.save(home.path / "posterior.nc")

    def _precise(self, evidence: Evidence) -> tuple[list[dict[str, np.ndarray]], list[Truths]]:
        """Simulate the trial's replicates, then as many more as its precision asks for."""
        done: dict[str, dict[range, Arrays]] = {}
        effects: list[Truths] = []
        while True:
            start, plan = time.perf_counter(), parts(self.trial, self.replicates)
            arrays = self._simulate(plan, evidence, done, effects)
            found = [self._decisions(each) for each in arrays[: len(self.trial.scenarios)]]
            more = wanted(self.trial.precision, found, self.replicates) - self.replicates
            if not more:
                return arrays, effects
            pace = (time.perf_counter() - start) / self.replicates
            left = f"{more:,} more replicates for an error of {self.trial.precision.mcse:g}, about {clock(pace * more)}"
            self.tell(left, 0, 1)
            self.note("replicates added", old=self.replicates, new=self.replicates + more)
            self.added += more

    def _decisions(self, arrays: Arrays) -> np.ndarray:
        """Decisions (replicate, analysis) of the analyses that take one."""
        decides = [analysis.decides for analysis in self.trial.protocol.analyses]
        return (arrays["outcome.decision"] & ~arrays["outcome.failed"])[:, decides]

    def _simulate(
        self,
        plan: Sequence[Part],
        evidence: Evidence,
        held: dict[str, dict[range, Arrays]],
        effects: list[Truths],
    ) -> list[dict[str, np.ndarray]]:
        """Simulate what is missing and find the true effects, once; arrays of each part, in their order."""
        for part in plan:
            held.setdefault(part.name, {} if self.home is None else dict(self.home.saved(part.name)))
        done = [held[part.name] for part in plan]
        place = {part.name: index for index, part in enumerate(plan)}
        total = sum(part.replicates for part in plan)
        asked, workers = self.trial.config.get("block"), (self.executor or executors.Serial()).width()
        works = [
            Work(part.name, part.protocol, block, self.seed, evidence.thin)
            for part, have in zip(plan, done, strict=True)
            for block in missing(part.replicates, have, asked or portion(part.protocol, total, workers))
        ]
        truths = [TruthWork(part.protocol, self.trial.truth, self.seed, evidence.thin) for part in plan if not effects]
        with self._timed("simulation"):
            count = total - sum(len(work.replicates) for work in works)
            self.tell("simulating trials", count, total)
            queue: list[Work | TruthWork] = [*truths, *works]
            for work, found in zip(queue, self._map(queue), strict=True):
                if isinstance(work, TruthWork):
                    effects.append(found)
                    self.tell("finding the true effects", len(effects), len(truths))
                    continue
                done[place[work.part]][work.replicates] = found
                if self.home is not None:
                    self.home.save(work.part, work.replicates, found)
                count += len(work.replicates)
                self.tell("simulating trials", count, total)
        return [results.joined(have, part.replicates) for part, have in zip(plan, done, strict=True)]

    def _map(self, works: Sequence[Work | TruthWork]) -> Iterator[Any]:
        return (self.executor or executors.Serial()).map(perform, works)

    def _collect(self, arrays: Sequence[Arrays], true: Sequence[Truths], evidence: Evidence) -> Result:
        trial, count = self.trial, len(self.trial.scenarios)
        effects = [each.effects for each in true]
        found = results.outcomes(trial, arrays[:count])
        curve = trial.power_curve
        return Result(
            trial=trial,
            outcomes=found,
            arms=results.arms(trial, arrays[:count], true[:count]),
            truth=results.truth(trial.scenarios, effects[:count]),
            example=store.trajectories(trial, 1, self.seed, evidence.thin).isel(replicate=0, drop=True),
            power_curve=None if curve is None else results.power_curve(curve, arrays[count:], effects[count:]),
            looks=results.looks(trial, arrays[:count]),
            posterior=evidence.posterior,
            folder=None if self.home is None else self.home.path,
            manifest=self._manifest(found, results.failures(found, trial, arrays[:count]), evidence),
        )

    def _manifest(self, found: Any, failures: Mapping[str, Any], evidence: Evidence) -> dict[str, Any]:
        """Everything the manifest says but the digests of the files."""
        trial, protocol = self.trial, self.trial.protocol
        return {
            "schema": manifest.SCHEMA,
            "trial": trial.name,
            "started": _utc(self.started),
            "finished": _utc(datetime.now(UTC)),
            "seed": self.seed,
            "replicates": self.replicates,
            "random_numbers": streams.DESCRIPTION,
            "digests": {
                "config": trial.digest,
                "model": protocol.model.digest,
                "population": protocol.population.digest,
                **evidence.digests,
                "outcomes": outcomes.digest(found),
                "code": manifest.source_digest(),
            },
            "evidence": evidence.about,
            "solver": solver_of(protocol),
            "failures": failures,
            "executor": repr(self.executor or executors.Serial()),
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
            "versions": manifest.versions(),
            "machine": manifest.machine(),
            "git": manifest.git_state(),
        }

    def _write(self, made: Result, home: RunFolder, evidence: Evidence) -> Result:
        """Fill the run folder, the manifest last."""
        from trials import report
        from trials.storytelling import eventful, tell

        with self._timed("writing"):
            self.tell("writing the run", 0, 2)
            outcomes.write(made.outcomes, made.truth, home.path / "outcomes.parquet")
            found = json.dumps(characteristics(made), indent=1, ensure_ascii=False, allow_nan=False)
            (home.path / "characteristics.json").write_text(found + "\n", encoding="utf-8")
            if self.trial.rules:
                scores = json.dumps(score(made), indent=1, ensure_ascii=False)
                (home.path / "rules.json").write_text(scores + "\n", encoding="utf-8")
            made.arms.to_dataframe().reset_index().to_parquet(home.path / "arms.parquet", index=False)
            if made.power_curve is not None:
                made.power_curve.to_dataframe().reset_index().to_parquet(home.path / "power_curve.parquet", index=False)
            if made.looks is not None:
                made.looks.to_dataframe().reset_index().to_parquet(home.path / "looks.parquet", index=False)
            self._store(home.path, evidence)
            self.tell("writing the run", 1, 2)
            report.write(made, home.path, story=tell(made, subject=eventful(made)))
        described = {**made.manifest, "seconds": {name: round(value, 3) for name, value in self.seconds.items()}}
        described["finished"] = _utc(datetime.now(UTC))
        described["files"] = manifest.file_digests(home.path)
        described["audit"] = str(audit.head(home.path))
        text = manifest.rendered(described)  # what cannot be written is found before the blocks are gone
        digests = {"manifest": manifest.text_digest(text), "outcomes": described["digests"]["outcomes"]}
        self.note(audit.FINISHED, new=digests)
        home.finish()
        manifest.write(home.path, described)
        self.tell("writing the run", 2, 2)
        return replace(made, manifest=described)

    def _store(self, folder: Path, evidence: Evidence) -> None:
        """Write patients and profiles of as many replicates as the trial wants kept."""
        keep = self.trial.store
        if keep.cohort:
            patients = store.cohort(self.trial, min(keep.cohort, self.replicates), self.seed, evidence.thin)
            store.write(patients, folder / "cohort.zarr")
        if keep.trajectories:
            count = min(keep.trajectories, self.replicates)
            store.write(store.trajectories(self.trial, count, self.seed, evidence.thin), folder / "trajectories.zarr")

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


def perform(work: Work | TruthWork) -> Any:
    """Do one piece of work, here or on a worker."""
    return true_values(work) if isinstance(work, TruthWork) else simulate_block(work)


def solver_of(protocol: Protocol) -> dict[str, Any]:
    """Which solver the protocol's model is given, why, and with which settings."""
    solver, reason = choose(protocol.model, protocol.solver)
    return {"name": solver.name, "reason": reason, "settings": _settings(solver)}


def _settings(solver: Solver) -> dict[str, Any]:
    """Fields of a solver; of one that chooses among others, theirs too."""
    found = {item.name: getattr(solver, item.name) for item in fields(solver)}  # type: ignore[arg-type]
    return {
        name: {"name": value.name, "settings": _settings(value)} if isinstance(value, Solver) else value
        for name, value in found.items()
    }


def _words(about: Mapping[str, Any], *names: str) -> dict[str, str]:
    return {name: str(about[name]) for name in names if name in about}


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
