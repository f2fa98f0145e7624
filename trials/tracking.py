"""Where runs are recorded: MLflow, or nowhere. The only module that knows MLflow.

One MLflow run for a trial run and a nested child for each scenario. The record is made from the finished run folder, so
that the two cannot disagree; a run without MLflow is complete.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sqlite3
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from trials.errors import TrialError

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from trials.protocol import Result, Trial

PATIENCE = 3.0  # seconds a server gets to answer
LONGEST_PARAMETER = 6000  # characters; what MLflow keeps of a parameter
LONGEST_TAG = 8000
LONGEST_KEY = 250
PARAMETERS_AT_ONCE = 100
METRICS_AT_ONCE = 1000
THEIRS = ("mlflow", "sqlalchemy", "alembic")
NOTES = "tracking_notes.json"
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
}


class Tracking(ABC):
    """Where finished and failed runs are recorded; members are frozen dataclasses."""

    __slots__ = ()

    @abstractmethod
    def check(self) -> None:
        """Find out within seconds, before any work, whether a run can be recorded; TrialError if not."""

    @abstractmethod
    def log(self, result: Result, folder: Path) -> str | None:
        """Record the finished run `folder` of `result`; returns an id, if the record has one."""

    @abstractmethod
    def log_failure(self, trial: Trial, error: Exception, *, seed: int) -> str | None:
        """Record that a run of `trial` with `seed` ended in `error`; never raises, so that `error` can go on."""


@dataclass(frozen=True, slots=True)
class NoTracking(Tracking):
    """Records nothing."""

    def check(self) -> None:
        """Nothing can be wrong."""

    def log(self, result: Result, folder: Path) -> None:
        """Leave `result` in its `folder`, where it already is."""

    def log_failure(self, trial: Trial, error: Exception, *, seed: int) -> None:
        """Leave the `error` of a `trial` run with `seed` to whoever sees it."""


@dataclass(frozen=True, slots=True)
class MLflow(Tracking):
    """Records runs with MLflow, by default in an SQLite file beside the run folders.

    Look at them with ``mlflow ui --backend-store-uri sqlite:///runs/mlflow.db``.
    """

    experiment: str
    uri: str | None = None
    """Where: None means the environment's ``MLFLOW_TRACKING_URI``, or else ``mlflow.db`` in `runs`."""
    runs: str | None = "runs"
    """Folder of all runs."""

    def __post_init__(self) -> None:
        """Refuse a password in the configuration, which stays with the run and in its evidence package.

        Raises
        ------
        TrialError
            Naming the variable that MLflow reads instead.
        """
        if self.uri is not None and "@" in urlsplit(self.uri).netloc:
            raise TrialError(
                "tracking.uri: got a user or a password, which would stay in every record of the run; wanted the "
                "address alone, or none here and all of it in the environment as MLFLOW_TRACKING_URI"
            )

    @property
    def store(self) -> str:
        """Tracking URI in use; that of the SQLite file is absolute."""
        beside = f"sqlite:///{Path(self.runs or 'runs').resolve() / 'mlflow.db'}"
        return self.uri or os.environ.get("MLFLOW_TRACKING_URI") or beside

    def check(self) -> None:
        """Find out within seconds whether a run can be recorded.

        Raises
        ------
        TrialError
            The store cannot be reached, read or written; says which and what to do.
        """
        if self.store.startswith(("http://", "https://")):
            _check_server(self.store)
        elif self.store.startswith("sqlite:///"):
            _check_file(Path(self.store.removeprefix("sqlite:///")))
        else:
            with _mlflow(self.store) as client:
                client.search_experiments(max_results=1)

    def log(self, result: Result, folder: Path) -> str:
        """Record the finished run `folder` of `result`; returns the id of its MLflow run.

        Values too long for MLflow and names it does not allow are not cut silently: they are kept whole in the artifact
        ``tracking_notes.json``, and the shortened value says so. A record that cannot be finished is marked FAILED.
        """
        config, characteristics = result.trial.config, _read(folder / "characteristics.json")
        with _mlflow(self.store) as client:
            record = _Record(client, self._experiment(client))
            tags = {"kind": "trial", "trial": result.trial.name, **digest_tags(result.manifest)}
            with record.run(folder.name, tags) as run:
                record.fill(run, flatten(config), metrics(characteristics), folder)
                for scenario, analyses in characteristics.items():
                    own = {**tags, "kind": "scenario", "scenario": scenario, "mlflow.parentRunId": run}
                    with record.run(scenario, own) as child:
                        record.fill(child, _settings(result.trial, scenario), metrics({"": analyses}), None)
            return run

    def log_failure(self, trial: Trial, error: Exception, *, seed: int) -> str | None:
        """Record that a run of `trial` with `seed` ended in `error`; returns the id of the FAILED MLflow run.

        If that cannot be recorded either, `error` gets a note that says so.
        """
        try:
            with _mlflow(self.store) as client:
                return self._failed(client, trial, {"seed": str(seed), "error": f"{type(error).__name__}: {error}"})
        except Exception as refused:  # whatever it is, it must not hide `error`
            error.add_note(f"The failure could not be recorded. {refused}")
            return None

    def _failed(self, client: MlflowClient, trial: Trial, ended: Mapping[str, str]) -> str:
        record = _Record(client, self._experiment(client))
        tags = {"kind": "trial", "trial": trial.name, "digest.config": trial.digest}
        run: str = client.create_run(record.experiment, tags=tags, run_name=f"{trial.name} (failed)").info.run_id
        record.fill(run, {**flatten(trial.config), **ended}, {}, None)
        client.set_terminated(run, "FAILED")
        return run

    def find(self, digest: str) -> tuple[str, ...]:
        """Ids of the finished trial runs whose configuration digest begins with `digest`, newest first."""
        if not re.fullmatch("[0-9a-f]{4,64}", digest):
            raise TrialError(f"digest: wants 4 to 64 hexadecimal digits, got {digest!r}")
        with _mlflow(self.store) as client:
            found = client.search_runs(
                [self._experiment(client)],
                f"tags.`digest.config` LIKE '{digest}%' and tags.kind = 'trial' and attributes.status = 'FINISHED'",
                order_by=["attributes.start_time DESC"],
            )
            return tuple(run.info.run_id for run in found)

    def recorded(self, name: str) -> list[dict[str, Any]]:
        """What the store holds of the run folder `name`: the trial run first, then a child for each scenario.

        Returns
        -------
        A mapping a run: id, name, status, start and end in milliseconds of Unix time, params, metrics and tags (but
        those that tell who ran it, and where). Nothing when there is no record of that name.
        """
        with _mlflow(self.store) as client:
            experiment = self._experiment(client)
            parents = client.search_runs([experiment], f"attributes.run_name = '{name}' and tags.kind = 'trial'")
            found = list(parents[:1])
            for parent in found[:1]:
                among = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
                found += sorted(client.search_runs([experiment], among), key=lambda run: run.info.run_name)
            return [_told(run) for run in found]

    def _experiment(self, client: MlflowClient) -> str:
        """Id of the experiment, which is made if it is new; the artifacts of a local file lie beside it."""
        from mlflow.exceptions import MlflowException

        local = self.store.startswith("sqlite:///")
        beside = Path(self.store.removeprefix("sqlite:///")).parent / "mlartifacts"
        if client.get_experiment_by_name(self.experiment) is None:
            try:
                client.create_experiment(self.experiment, artifact_location=beside.as_uri() if local else None)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":  # another run of a sweep may have been quicker
                    raise
        found = client.get_experiment_by_name(self.experiment)
        if found is None or found.lifecycle_stage != "active":
            deleted = f"{self.experiment!r} was deleted in {self.store}"
            raise TrialError(f"tracking.experiment: {deleted}; restore it or name another")
        experiment: str = found.experiment_id
        return experiment


@dataclass(frozen=True, slots=True)
class _Record:
    """Writes into one experiment."""

    client: MlflowClient
    experiment: str

    @contextmanager
    def run(self, name: str, tags: Mapping[str, str]) -> Iterator[str]:
        """Open a run; it ends FINISHED, or FAILED if what is done within fails."""
        run = self.client.create_run(self.experiment, tags=dict(tags), run_name=name).info.run_id
        try:
            yield run
        except BaseException:
            self.client.set_terminated(run, "FAILED")
            raise
        self.client.set_terminated(run, "FINISHED")

    def fill(self, run: str, parameters: Mapping[str, str], values: Mapping[str, float], folder: Path | None) -> None:
        """Write parameters, metrics and every file of `folder`, and note what MLflow could not keep as it was."""
        from mlflow.entities import Metric, Param

        notes: dict[str, Any] = {}
        params = [Param(key, value) for key, value in fit(parameters, notes).items()]
        points = [Metric(allowed_key(key, notes), value, 0, 0) for key, value in values.items()]
        for batch in _portions(params, PARAMETERS_AT_ONCE):
            self.client.log_batch(run, params=batch)
        for group in _portions(points, METRICS_AT_ONCE):
            self.client.log_batch(run, metrics=group)
        if folder is not None:
            self.client.log_artifacts(run, str(folder))
        if notes:
            self._note(run, notes)

    def _note(self, run: str, notes: Mapping[str, Any]) -> None:
        with TemporaryDirectory() as place:
            path = Path(place) / NOTES
            path.write_text(json.dumps(notes, indent=1, ensure_ascii=False), encoding="utf-8")
            self.client.log_artifact(run, str(path))


def _told(run: Any) -> dict[str, Any]:
    """A record as plain values, in order of their names."""
    kept = {name: value for name, value in run.data.tags.items() if not name.startswith("mlflow.")}
    return {
        "id": run.info.run_id, "name": run.info.run_name, "status": run.info.status,
        "start": run.info.start_time, "end": run.info.end_time,
        "params": dict(sorted(run.data.params.items())), "metrics": dict(sorted(run.data.metrics.items())),
        "tags": dict(sorted(kept.items())),
    }  # fmt: skip


def flatten(value: object, key: str = "") -> dict[str, str]:
    """Nested mappings and lists as one level of dotted keys: ``{"a": {"b": [1]}}`` gives ``{"a.b.0": "1"}``."""
    if isinstance(value, Mapping) and value:
        items = [(str(name), item) for name, item in value.items()]
    elif isinstance(value, Sequence) and not isinstance(value, str) and value:
        items = [(str(index), item) for index, item in enumerate(value)]
    else:
        return {key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}
    flat: dict[str, str] = {}
    for name, item in items:
        flat |= flatten(item, f"{key}.{name}" if key else name)
    return flat


def metrics(characteristics: Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]]) -> dict[str, float]:
    """Characteristics as ``scenario/analysis/name`` and ``scenario/analysis/name_mcse``; without a value, no metric."""
    flat: dict[str, float] = {}
    for scenario, analyses in characteristics.items():
        for analysis, names in analyses.items():
            for name, entry in names.items():
                key = "/".join(part for part in (scenario, analysis, name) if part)
                values = {key: entry["value"], f"{key}_mcse": entry["mcse"]}
                flat |= {where: float(value) for where, value in values.items() if value is not None}
    return flat


def digest_tags(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Digests of a manifest as tags ``digest.config``, ``digest.outcomes`` and so on, with its seed and replicates."""
    digests = {f"digest.{name}": str(value) for name, value in flatten(manifest["digests"]).items()}
    return digests | {name: str(manifest[name]) for name in ("seed", "replicates") if name in manifest}


def fit(parameters: Mapping[str, str], notes: dict[str, Any]) -> dict[str, str]:
    """Parameters as MLflow takes them; long values go whole into `notes`, and the parameter says where they are."""
    fitted: dict[str, str] = {}
    for key, value in parameters.items():
        name = allowed_key(key, notes)
        if len(value) > LONGEST_PARAMETER:
            notes.setdefault("long values", {})[key] = value
            value = f"{len(value)} characters: see {NOTES}"
        fitted[name] = value
    return fitted


def allowed_key(key: str, notes: dict[str, Any]) -> str:
    """`key` with only the characters MLflow allows and not too long; a changed one is put into `notes`."""
    name = re.sub(r"[^\w.\- :/]", "_", key)[:LONGEST_KEY]
    taken = notes.setdefault("renamed keys", {}) if name != key else notes.get("renamed keys", {})
    while taken.get(name, key) != key:
        name = f"{name[: LONGEST_KEY - 1]}_"
    if name != key:
        taken[name] = key
    return name


def _settings(trial: Trial, scenario: str) -> dict[str, str]:
    """List what a scenario changes, as parameters of its child run."""
    found = trial.scenario(scenario)
    return {"scenario": scenario, "description": found.description, **dict(found.settings)}


def _portions[T](items: Sequence[T], size: int) -> Iterator[list[T]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _check_server(uri: str) -> None:
    advice = "start it, correct tracking.uri or MLFLOW_TRACKING_URI, or run with tracking=none"
    try:
        with urlopen(f"{uri.rstrip('/')}/health", timeout=PATIENCE) as answer:
            ok = answer.status == 200
    except HTTPError as error:
        ok = error.code in (401, 403)  # it is there and wants the credentials that MLflow takes from the environment
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise TrialError(f"tracking.uri: no MLflow server answers at {uri} ({reason}); {advice}") from None
    if not ok:
        raise TrialError(f"tracking.uri: {uri} is not an MLflow server that is in health; {advice}")


def _check_file(path: Path) -> None:
    """Refuse a path that is no SQLite database or cannot become one; nothing is created but its folder."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            with closing(sqlite3.connect(path)) as database:
                database.execute("SELECT name FROM sqlite_master").fetchall()
    except (OSError, sqlite3.Error) as error:
        advice = "name another, or run with tracking=none"
        raise TrialError(f"tracking.uri: {path} cannot be an MLflow database ({error}); {advice}") from None
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise TrialError(f"tracking.uri: {path} cannot be written; name another, or run with tracking=none")


@contextmanager
def _mlflow(store: str) -> Iterator[MlflowClient]:
    """Client of a store, without MLflow's own chatter; its errors become ours."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(mlflow|sqlalchemy|alembic|pydantic|fastapi|starlette)(\.|$)")
        from mlflow.tracking import MlflowClient

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield MlflowClient(store)
        except Exception as error:
            if type(error).__module__.partition(".")[0] not in THEIRS and not isinstance(error, OSError):
                raise
            raise TrialError(f"tracking: MLflow at {store} refused: {error}") from error
