"""Running a trial: from evidence to a population, to virtual patients, to simulated trials, to a run folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from trials.errors import TOLD, Interrupted, TrialError
from trials.folder import writable
from trials.session import Session
from trials.tracking import NoTracking
from trials.trust.audit import Attribution

if TYPE_CHECKING:
    from engine.execute import Executor
    from trials.protocol import Result, Trial
    from trials.tracking import MLflow

type Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done and how much there is in all."""


def run(
    trial: Trial,
    replicates: int | None = None,
    seed: int | None = None,
    executor: Executor | None = None,
    tracker: MLflow | NoTracking | None = None,
    *,
    folder: str | Path | None = None,
    progress: Progress | None = None,
    by: Attribution | None = None,
) -> Result:
    """Run a trial under all its scenarios.

    Parameters
    ----------
    trial
        As `trials.load` gives it.
    replicates, seed
        Simulated trials under each scenario, and what all randomness follows from; None is the trial's own setting.
        The first 500 replicates of 1,000 are those of a run of 500.
    executor
        Where blocks of replicates are simulated: ``engine.executors.Serial()`` (also None), ``Threads(n)`` or
        ``Dask()``. The outcomes are the same, bit for bit.
    tracker
        Where the finished run is recorded (``trials.tracking.MLflow``); None is nowhere.
    folder
        Folder of all runs; None is the trial's own setting ``runs``, and if that is null too, nothing is written.
    progress
        Called as ``progress(what, done, total)``.
    by
        Who runs it and why, for the audit log that every run folder has; None: the environment's ``TRIALTWIN_ACTOR``
        or else the login name, for no reason given.

    Returns
    -------
    The result; its folder is `Result.folder`. A run that was interrupted continues where it stopped.

    Raises
    ------
    TrialError
        Before any work, when something is wrong with the trial, the executor or the tracker.
    Interrupted
        When the user stopped the run (Ctrl-C).
    """
    trial = trial.planned(replicates, seed)
    place = folder if folder is not None else trial.config["runs"]
    tracker = None if isinstance(tracker, NoTracking) else tracker
    if tracker is not None and place is None:
        raise TrialError("tracking: a run without a folder cannot be recorded; name one in `runs`, or tracking=none")
    if tracker is not None:
        tracker.check()
    if executor is not None:
        executor.check()
    if place is not None:
        writable(Path(place))
    session = Session(trial, executor, None if place is None else Path(place), progress, by=by or Attribution())
    try:
        result = session.result()
    except KeyboardInterrupt:
        session.note("run stopped")
        raise Interrupted(session.how_to_continue()) from None
    except Exception as error:
        session.note("run failed", new=type(error).__name__)  # its message may name folders, which no log should
        if tracker is not None and not isinstance(error, TOLD):
            tracker.log_failure(trial, error, seed=session.seed)
        raise
    finally:
        session.close()
    if tracker is not None and result.folder is not None:
        session.tell("recording the run", 0, 1)
        tracker.log(result, result.folder)
        session.tell("recording the run", 1, 1)
    return result
