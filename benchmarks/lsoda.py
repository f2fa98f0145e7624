"""The yardstick: the workloads solved by numbalsoda's LSODA, their equations written a second time by hand.

numbalsoda is no dependency; it is on PyPI, and builds with cmake and a Fortran compiler where no wheel fits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cfunc, njit
from numpy.typing import NDArray

type Floats = NDArray[np.float64]

TOLERANCE = 1e-8


def _one_compartment(_t: float, u: Any, du: Any, p: Any) -> None:
    du[0] = -p[2] * u[0]
    du[1] = p[2] * u[0] - p[0] / p[1] * u[1]


def _two_compartments(_t: float, u: Any, du: Any, p: Any) -> None:
    du[0] = -p[4] * u[0]
    du[1] = p[4] * u[0] - (p[0] + p[2]) / p[1] * u[1] + p[2] / p[3] * u[2]
    du[2] = p[2] / p[1] * u[1] - p[2] / p[3] * u[2]


def _indirect_response(_t: float, u: Any, du: Any, p: Any) -> None:
    cp = u[1] / p[1]
    du[0] = -p[4] * u[0]
    du[1] = p[4] * u[0] - (p[0] + p[2]) * cp + p[2] / p[3] * u[2]
    du[2] = p[2] * cp - p[2] / p[3] * u[2]
    du[3] = p[5] * p[6] * (1 - p[8] * cp / (p[7] + cp)) - p[6] * u[3]


def _target_mediated(_t: float, u: Any, du: Any, p: Any) -> None:
    c = u[0] / p[1]
    bind = p[4] * c * u[2] - p[5] * u[3]
    du[0] = -(p[0] + p[2]) * c + p[2] / p[3] * u[1] - bind * p[1]
    du[1] = p[2] * c - p[2] / p[3] * u[1]
    du[2] = p[8] * p[7] - p[7] * u[2] - bind
    du[3] = bind - p[6] * u[3]


def _myelosuppression(_t: float, u: Any, du: Any, p: Any) -> None:
    cp, ktr = u[1] / p[1], 4.0 / p[5]
    du[0] = -p[4] * u[0]
    du[1] = p[4] * u[0] - (p[0] + p[2]) * cp + p[2] / p[3] * u[2]
    du[2] = p[2] * cp - p[2] / p[3] * u[2]
    du[3] = ktr * u[3] * ((1 - p[8] * cp) * (p[6] / u[7]) ** p[7] - 1)
    du[4] = ktr * (u[3] - u[4])
    du[5] = ktr * (u[4] - u[5])
    du[6] = ktr * (u[5] - u[6])
    du[7] = ktr * (u[6] - u[7])


# Right-hand side; initial states as columns of the parameters (-1: zero); each output as a state over a parameter.
EQUATIONS: dict[str, tuple[Any, tuple[int, ...], tuple[tuple[int, int], ...]]] = {
    "W1": (_one_compartment, (-1, -1), ((1, 1),)),
    "W2": (_two_compartments, (-1, -1, -1), ((1, 1),)),
    "W3": (_indirect_response, (-1, -1, -1, 5), ((1, 1), (3, -1))),
    "W4": (_target_mediated, (-1, -1, 8, -1), ((0, 1), (2, -1), (3, -1))),
    "W5": (_myelosuppression, (-1, -1, -1, 6, 6, 6, 6, 6), ((1, 1), (7, -1))),
}


class Yardstick:
    """A workload, ready to be solved: everything is compiled."""

    def __init__(self, name: str, parameters: Floats, doses: Floats, times: Floats) -> None:
        """Compile the equations of a workload; ``parameters`` (subject, parameter), ``doses`` (time, amount)."""
        from numbalsoda import lsoda, lsoda_sig

        rates, initial, self._outputs = EQUATIONS[name]
        self._rates = cfunc(lsoda_sig)(rates)
        self._parameters, self._times = parameters, times
        ends = np.append(doses[1:, 0], times[-1] + 1.0)
        self._doses = np.column_stack([doses[:, 0], ends, doses[:, 1]])
        self._start = np.where(np.asarray(initial) < 0, 0.0, parameters[:, np.maximum(initial, 0)])
        self._march = _march(lsoda)
        self._solve(1)

    def _solve(self, subjects: int) -> Floats:
        found: Floats = self._march(
            self._rates.address,
            self._start[:subjects],
            self._parameters[:subjects],
            self._doses,
            self._times,
            TOLERANCE,
        )
        return found

    def __call__(self) -> list[Floats]:
        """Outputs of every subject, (subject, sample) each."""
        states = self._solve(len(self._parameters))
        divisors = np.column_stack([self._parameters, np.ones(len(self._parameters))])
        return [states[:, :, state] / divisors[:, by, None] for state, by in self._outputs]


def _march(lsoda: Any) -> Any:
    """Compiled loop over subjects and doses: LSODA starts again at each dose, a sample at its time is after it."""

    @njit
    def march(address: int, start: Any, parameters: Any, doses: Any, times: Any, tolerance: float) -> Any:
        count, size = start.shape
        found = np.empty((count, len(times), size))
        for subject in range(count):
            state, first = start[subject].copy(), 0
            for dose in range(len(doses)):
                begin, end, amount = doses[dose]
                state[0] += amount
                while first < len(times) and times[first] == begin:
                    found[subject, first] = state
                    first += 1
                last = first
                while last < len(times) and times[last] < end:
                    last += 1
                points = np.empty(last - first + 2)
                points[0], points[-1] = begin, end
                points[1:-1] = times[first:last]
                solved, _ = lsoda(address, state, points, parameters[subject], tolerance, tolerance)
                found[subject, first:last] = solved[1:-1]
                state, first = solved[-1].copy(), last
        return found

    return march
