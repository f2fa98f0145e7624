"""What the tracking store says of a run: a copy, never the only record."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trials.errors import TrialError
from trials.evidence.writing import write_json
from trials.making import make
from trials.tracking import MLflow

if TYPE_CHECKING:
    from trials.evidence.study import Study

NOTE = "The run folder is the record; what stands here is what the tracking store kept of it."


def write_tracked(study: Study, answers: object, folder: Path) -> None:  # noqa: ARG001
    """Write ``provenance/mlflow-run.json``: the record of the run, or why there is none."""
    write_json(folder / "provenance" / "mlflow-run.json", {"note": NOTE, **tracked(study)})


def tracked(study: Study) -> dict[str, Any]:
    """Record of the run in its tracking store: ``tracked``, ``runs``, and ``reason`` when there are none."""
    store = make("tracking", study.trial.config["tracking"])
    if not isinstance(store, MLflow):
        return {"tracked": False, "runs": [], "reason": "the run was made with tracking=none"}
    beside = study.run.resolve().parents[1]
    here = store if store.uri else replace(store, runs=str(beside))
    if here.store == f"sqlite:///{beside / 'mlflow.db'}" and not (beside / "mlflow.db").is_file():
        return {"tracked": True, "runs": [], "reason": "the tracking store was not at hand when this was packaged"}
    try:
        here.check()
        found = here.recorded(study.run.name)
    except TrialError as error:
        name = type(error).__name__
        return {"tracked": True, "runs": [], "reason": f"the tracking store could not be read ({name})"}
    found = [{**one, "params": {name: _placeless(value) for name, value in one["params"].items()}} for one in found]
    reason = {} if found else {"reason": "the tracking store has no record of this run folder"}
    return {"tracked": True, "runs": found, **reason}


def _placeless(value: Any) -> Any:
    """A parameter; of an absolute path, which is of one computer, the name alone."""
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value
