"""Running a policy: all subjects go from visit to visit together, each block in the solver, the decision in between."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine import block as blocks
from engine.block import Block
from engine.dosing import nodes
from engine.dosing import schedule as schedules
from engine.dosing.arrivals import Administration
from engine.dosing.nodes import Samples
from engine.dosing.regimen import Dose, Regimen
from engine.dosing.schedule import AFTER, BEFORE, Schedule
from engine.errors import DosingError
from engine.execute import Executor
from engine.models.specification import Model
from engine.policy import Observe, Policy
from engine.solvers.base import Problem, Solver, Trajectory
from engine.status import Status

type Floats = NDArray[np.float64]
type Integers = NDArray[np.int64]


class Adaptive(NamedTuple):
    """What became of the subjects, and what the policy did.

    ``outputs`` by name, (subject, sample); ``status``, (subject); ``amount`` of each dose, (subject, dose), given at
    ``dose_time``, (dose); what was ``seen`` of each output, (subject, visit); whom the solver ``left`` to its second
    method between two visits at least, (subject).
    """

    outputs: dict[str, Floats]
    status: NDArray[np.int8]
    amount: Floats
    dose_time: Floats
    seen: dict[str, Floats]
    left: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Setting:
    """What stands around a policy: the model and solver, the samples, (sample), and who knows, sees and takes what.

    ``taken`` is the share of each dose that is taken, (subject, dose); None: all of it.
    """

    model: Model
    solver: Solver
    times: Floats
    before_dose: bool
    observe: Observe
    covariates: Mapping[str, NDArray[Any]]
    taken: Floats | None = None


def run(setting: Setting, parameters: Mapping[str, Floats], policy: Policy, executor: Executor) -> Adaptive:
    """Simulate all subjects of ``parameters``, (subject), under a policy."""
    _check(setting, policy)
    count = len(next(iter(parameters.values()))) if parameters else 1
    visits = np.asarray(policy.visits, dtype=np.float64)
    schedule = _unit_doses(setting.model, policy)
    status = np.full(count, Status.ok, dtype=np.int8)
    groups = [_group(setting, schedule, visits, parameters, part, status) for part in _parts(count)]
    doses = schedule.time[0]
    amount, given, taken = np.zeros((count, len(doses))), np.zeros((count, 0)), setting.taken
    if taken is not None and (taken.shape != amount.shape or not (np.isfinite(taken) & (taken >= 0)).all()):
        raise DosingError(f"taken: shape {taken.shape}; a share, 0 or more, for each subject and dose {amount.shape}")
    seen: dict[str, Floats] = {name: np.zeros((count, 0)) for name in policy.observes}
    now = policy.initial(setting.covariates)
    with executor.open() as workers:
        for visit, begin in enumerate([-np.inf, *visits]):
            checked = _amounts(now, visit, status)
            due = doses >= begin
            amount[:, due] = checked[:, None] if taken is None else checked[:, None] * taken[:, due]
            _advance(setting, groups, amount, visit, workers, status)
            if visit < len(visits):
                given = np.concatenate([given, checked[:, None]], axis=1)
                for name, values in _measure(setting, groups, policy.observes, visit, count).items():
                    seen[name] = np.concatenate([seen[name], values[:, None]], axis=1)
                now = policy.decide(visit, {name: values.copy() for name, values in seen.items()}, given.copy())
    amount[status != Status.ok] = np.nan
    left = np.zeros(count, dtype=bool)
    for group in groups:
        left[group.subjects] = group.left
    return Adaptive(_outputs(setting, groups, len(visits), count, status), status, amount, doses, seen, left)


@dataclass(slots=True, eq=False)
class _Group:
    """Subjects of one block on their way, failed ones included; arrays (subject, ...) but ``places``, (row, visit + 2).

    ``subjects`` are their places among all; ``places`` the node each stretch between visits begins at, and the end.
    """

    block: Block
    subjects: Integers
    problem: Problem
    places: Integers
    samples: Floats
    left: NDArray[np.bool_]


def solve(item: tuple[Solver, Problem]) -> Trajectory:
    """Solve one block's stretch between visits: the unit of work that travels to a worker."""
    solver, problem = item
    return solver.solve(problem)


def _parts(count: int) -> list[Integers]:
    return [np.arange(first, min(first + blocks.SIZE, count)) for first in range(0, count, blocks.SIZE)]


def _check(setting: Setting, policy: Policy) -> None:
    schedules.state_index(setting.model, policy.into, "policy: into")
    visits = np.asarray(policy.visits, dtype=np.float64)
    if not (np.isfinite(policy.every) and policy.every > 0 and np.isfinite(policy.until) and policy.until > 0):
        raise DosingError(f"policy: every is {policy.every} and until is {policy.until}; numbers above 0 are wanted")
    if visits.ndim != 1 or not np.all(np.isfinite(visits)) or np.any(np.diff(visits, prepend=0.0) <= 0):
        raise DosingError(f"policy: visits are {policy.visits}; increasing times after 0 are wanted")
    if unknown := [name for name in policy.observes if name not in setting.model.output_names]:
        known = ", ".join(setting.model.output_names)
        raise DosingError(f"policy: observes {unknown[0]!r}, which model {setting.model.name} has not; it has {known}")


def _unit_doses(model: Model, policy: Policy) -> Schedule:
    """Schedule of doses of 1, whose amounts are filled in as they are decided."""
    times = int(np.ceil(policy.until / policy.every))
    times -= (times - 1) * float(policy.every) >= policy.until
    dose = Dose(1.0, into=policy.into, every=policy.every, times=times)
    return schedules.from_regimens(model, [Regimen(dose)]).take(np.zeros(1, dtype=np.int64))


def _group(
    setting: Setting, schedule: Schedule, visits: Floats, parameters: Mapping[str, Floats], part: Integers,
    status: NDArray[np.int8],
) -> _Group:  # fmt: skip
    """Block of subjects at the start; notes the status of those that cannot start."""
    late = BEFORE if setting.before_dose else AFTER
    position = np.concatenate([np.full(len(visits), BEFORE), np.full(len(setting.times), late)])
    samples = Samples(np.concatenate([visits, setting.times])[None], position[None])
    values = {name: np.ascontiguousarray(array[part]) for name, array in parameters.items()}
    block = Block(setting.model, setting.solver, values, schedule, samples)
    status[part], administration = blocks.prepare(block)
    good = np.flatnonzero(status[part] == Status.ok)
    block = block.take(good)
    steps = nodes.build(schedule, Administration(*(array[good] for array in administration)), samples)
    found = [np.argmax(steps.slot == visit, axis=1) + 1 for visit in range(len(visits))]
    end = np.full(len(steps.time), steps.time.shape[1])
    places = np.stack([np.zeros_like(end), *found, end], axis=1)
    problem = blocks.problem(block, steps)
    return _Group(
        block, part[good], problem, places, np.full((len(good), steps.samples, problem.state.shape[1]), np.nan),
        np.zeros(len(good), dtype=bool),
    )  # fmt: skip


def _amounts(now: Floats, visit: int, status: NDArray[np.int8]) -> Floats:
    """Amounts a policy decided, checked; 0 for subjects that have failed."""
    amount = np.asarray(now, dtype=np.float64)
    if amount.shape not in ((), (1,), status.shape):
        raise DosingError(f"policy: amounts of shape {amount.shape} for {len(status)} subjects")
    amount = np.broadcast_to(amount, status.shape)
    bad = (status == Status.ok) & ~(np.isfinite(amount) & (amount >= 0))
    if bad.any():
        when = f"decide() at visit {visit - 1}" if visit else "initial()"
        raise DosingError(f"policy: {when} gave {amount[bad][0]}; a finite amount, 0 or more, is wanted")
    return np.where(status == Status.ok, amount, 0.0)


def _advance(
    setting: Setting, groups: list[_Group], amount: Floats, visit: int, workers: Executor, status: NDArray[np.int8]
) -> None:
    """Take every group to the next visit, or to the end."""
    moving = [(group, np.flatnonzero(status[group.subjects] == Status.ok)) for group in groups]
    moving = [(group, sound) for group, sound in moving if sound.size]
    items = [(setting.solver, _stretch(group, sound, amount, visit)) for group, sound in moving]
    for (group, sound), found in zip(moving, workers.map(solve, items), strict=True):
        status[group.subjects[sound]] = found.status
        group.problem.state[sound], group.problem.largest[sound] = found.state, found.largest
        group.left[sound] |= False if found.left is None else found.left
        visited = ~np.isnan(found.samples)
        group.samples[sound] = np.where(visited, found.samples, group.samples[sound])


def _stretch(group: _Group, sound: Integers, amount: Floats, visit: int) -> Problem:
    """What the solver is given from one visit to the next."""
    whole, some = group.problem, group.block.take(sound)
    rows = sound if len(group.places) > 1 else np.zeros(1, dtype=np.int64)
    steps = whole.timeline.take(sound).part(group.places[rows, visit], group.places[rows, visit + 1])
    doses = amount[group.subjects[sound]]
    event = np.broadcast_to(steps.event, (len(sound), steps.event.shape[1]))
    chosen = np.where(event >= 0, np.take_along_axis(doses, np.maximum(event, 0), axis=1), 0.0)
    steps = replace(steps, jump=steps.jump * chosen[:, :, None])
    return Problem(
        whole.model, some.parameters, whole.initial[sound], whole.state[sound], steps, whole.largest[sound]
    )  # fmt: skip


def _measure(
    setting: Setting, groups: list[_Group], names: Sequence[str], visit: int, count: int
) -> dict[str, Floats]:  # fmt: skip
    """What the policy sees at a visit, (subject); NaN for subjects that have failed."""
    true = {name: np.full(count, np.nan) for name in names}
    for group in groups:
        time = group.block.samples.time[:, visit : visit + 1]
        found = blocks.observe(group.block, group.samples[:, visit : visit + 1], time)
        for name in names:
            true[name][group.subjects] = found[name][:, 0]
    return {name: np.asarray(setting.observe(name, visit, values), dtype=np.float64) for name, values in true.items()}


def _outputs(
    setting: Setting, groups: list[_Group], visits: int, count: int, status: NDArray[np.int8]
) -> dict[str, Floats]:  # fmt: skip
    """Outputs at the sampling times, (subject, sample); NaN, and so noted, where they are not defined."""
    outputs = {name: np.full((count, len(setting.times)), np.nan) for name in setting.model.output_names}
    for group in groups:
        found = blocks.observe(group.block, group.samples[:, visits:], group.block.samples.time[:, visits:])
        defined = np.all([np.all(np.isfinite(values), axis=1) for values in found.values()], axis=0)
        own = status[group.subjects]
        status[group.subjects] = np.where((own == Status.ok) & ~defined, Status.diverged, own)
        for name, values in found.items():
            outputs[name][group.subjects] = np.where((status[group.subjects] == Status.ok)[:, None], values, np.nan)
    return outputs
