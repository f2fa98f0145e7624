"""From trajectories to what a trial records: measurements, noncompartmental and derived metrics, events, counts."""

from engine.outcomes.derived import (
    AtTime,
    Average,
    ChangeFrom,
    Largest,
    Nadir,
    TimeAbove,
    TimeBelow,
    TimeInRange,
    TimeOfNadir,
    TimeTo,
)  # fmt: skip
from engine.outcomes.events import EventTimes, event_times
from engine.outcomes.frequencies import event_counts
from engine.outcomes.markov import markov_states
from engine.outcomes.measurement import measure
from engine.outcomes.metric import Metric
from engine.outcomes.nca import NCA, noncompartmental
from engine.outcomes.residual import Quantification, Residual

__all__ = [
    "NCA", "AtTime", "Average", "ChangeFrom", "EventTimes", "Largest", "Metric", "Nadir", "Quantification", "Residual",
    "TimeAbove", "TimeBelow", "TimeInRange", "TimeOfNadir", "TimeTo", "event_counts", "event_times", "markov_states",
    "measure", "noncompartmental",
]  # fmt: skip
