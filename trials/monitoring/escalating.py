"""What a trial of ascending doses comes to whose escalation stops after a cohort with too many events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from trials.analyses.base import analyse
from trials.monitoring.cutting import kept

if TYPE_CHECKING:
    from trials.protocol import Protocol

type Array = np.ndarray


def escalated(protocol: Protocol, data: xr.Dataset, complete: float) -> tuple[dict[str, Array], xr.Dataset]:
    """Analyse the cohorts that were dosed; later ones are as if they had never been.

    The parameters and what is returned are those of `trials.monitoring.conclusion.concluded`. Outcomes besides those of
    the analyses, the same for all of them: ``doses_given``, ``doses_cleared`` and ``escalation_stopped``, as
    `trials.designs.escalation.EscalationRule` counts; ``analysed``, what ``n`` is elsewhere; ``n``, all who were dosed.
    """
    rule = protocol.design.escalation
    assert rule is not None, "only designs with a rule come here"
    found = rule(data)
    n = found["n"].values
    ended = kept(data, np.arange(data.sizes["subject"]) < n[:, None])
    results = analyse(protocol.analyses, ended)
    made = {str(name): one.values.copy() for name, one in results.data_vars.items()}
    made["analysed"] = made["n"].astype(float)
    end = data["enrolled"].values[np.arange(len(n)), n - 1] + protocol.design.duration(complete)
    extra = {"doses_given": "given", "doses_cleared": "cleared", "escalation_stopped": "stopped"}
    wide = {name: found[source].values.astype(float) for name, source in extra.items()} | {"n": n, "duration": end}
    shape = made["estimate"].shape
    made |= {name: np.broadcast_to(values[:, None], shape).copy() for name, values in wide.items()}
    return {f"outcome.{name}": values for name, values in made.items()}, ended
