"""What a trial comes to: its outcomes when it is complete, or when a look stopped it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from trials.analyses.base import analyse
from trials.monitoring.adaptive import Adaptive
from trials.monitoring.escalating import escalated
from trials.monitoring.inference import adjusted
from trials.monitoring.monitor import Monitor
from trials.monitoring.plan import sides
from trials.monitoring.stopping import outcomes, statistic, stopped

if TYPE_CHECKING:
    from trials.protocol import Protocol

type Array = np.ndarray


def concluded(protocol: Protocol, data: xr.Dataset, complete: float) -> tuple[dict[str, Array], xr.Dataset]:
    """Analyse trials to their end.

    Parameters
    ----------
    protocol
        With or without looks.
    data
        Dataset (replicate, subject, ...) of all that would be seen if no trial were stopped.
    complete
        Time from the first dose of a period to its last planned observation.

    Returns
    -------
    ``outcome.<variable>`` (replicate, analysis) and, with looks, ``look.<variable>`` (replicate, look, analysis); and
    the data as they were known when each trial ended.
    """
    if protocol.design.looks is not None:
        return _monitored(protocol, data, complete)
    if protocol.design.reestimation is not None:
        return Adaptive(protocol, data, complete).concluded()
    if protocol.design.escalation is not None:
        return escalated(protocol, data, complete)
    found = analyse(protocol.analyses, data)
    made = {f"outcome.{name}": found[name].values for name in map(str, found.data_vars)}
    last = data["enrolled"].values.max(axis=1, keepdims=True) + float(protocol.design.duration(complete))
    made["outcome.duration"] = np.broadcast_to(last, found["estimate"].shape).copy()
    return made, data


def _monitored(protocol: Protocol, data: xr.Dataset, complete: float) -> tuple[dict[str, Array], xr.Dataset]:
    monitor = Monitor(protocol, data, complete)
    looks, seen = monitor.looks, monitor.analysed()
    analysis = protocol.analysis(looks.monitored)
    statistics = statistic(seen.found, looks.monitored, sides(analysis))
    efficacy, futility = looks.critical(seen.found["information"].values[..., 0])
    stop = stopped(statistics, np.isfinite(seen.day), efficacy, futility)
    own = adjusted(looks, analysis, seen.found, stop)
    made = {f"outcome.{name}": values for name, values in outcomes(seen.found, stop, looks.monitored, own).items()}
    made |= {f"look.{name}": seen.found[name].values for name in map(str, seen.found.data_vars)}
    return made, monitor.known(seen.day[np.arange(len(stop.look)), stop.look])
