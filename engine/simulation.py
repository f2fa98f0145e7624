"""Simulating subjects: names, units and checks on the way in, numbers by blocks, named arrays on the way out."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine import block as blocks
from engine import memory, occasions
from engine.adaptive import Setting, run
from engine.block import Block
from engine.configuration import build
from engine.dosing import covariates as covariate
from engine.dosing import schedule as schedules
from engine.dosing import taken as personal
from engine.dosing.covariates import Carry, Covariates
from engine.dosing.events import EventTable
from engine.dosing.nodes import Samples
from engine.dosing.regimen import Regimen
from engine.dosing.sampling import record_samples, sample_places
from engine.dosing.schedule import AFTER, BEFORE, Schedules
from engine.dosing.taken import Taken
from engine.errors import DataError, DosingError, SolverError
from engine.execute import Executor, Serial
from engine.models.specification import Model
from engine.parameters import parameter_arrays
from engine.policy import Observe, Policy
from engine.solvers.base import Solver
from engine.status import Status

if TYPE_CHECKING:
    import xarray as xr

type Floats = NDArray[np.float64]
type Dosing = Regimen | EventTable | Taken | Sequence[Regimen]

_GROUP = 128
"""Subjects of a schedule, on average, from which on its subjects make blocks of their own."""


class Arrays(NamedTuple):
    """What :func:`simulate_arrays` gives.

    ``outputs`` (subject, sample) by name; ``status`` (subject), codes of :class:`engine.Status`; ``time`` of the
    samples, (1 or subject, sample); ``solver`` that was used and ``reason`` why.
    """

    outputs: dict[str, Floats]
    status: NDArray[np.int8]
    time: Floats
    solver: str
    reason: str


def simulate_arrays(
    model: Model, parameters: Mapping[str, ArrayLike], dosing: Dosing, times: ArrayLike | None = None, *,
    solver: str | Solver = "auto", executor: Executor | None = None, before_dose: bool = False,
    carry: Carry | None = None,
) -> Arrays:  # fmt: skip
    """Simulate on plain arrays, without the cost of named ones; :func:`simulate` says what the arguments mean.

    Parameters
    ----------
    model
        The equations.
    parameters
        Exactly the model's parameters, but those that are columns of the event table or changes of what was taken: a
        number, or one a subject.
    dosing, times, solver, executor, before_dose, carry
        As for :func:`simulate`; a policy needs :func:`simulate`.
    """
    if isinstance(dosing, EventTable) and dosing.restarts.any():
        if times is not None:
            raise DataError("times: a subject's TIME starts again at a reset; only its records can be sampled (None)")
        return _by_occasion(model, parameters, dosing, solver=solver, executor=executor, carry=carry)
    found = arrange(model, parameters, dosing, times, solver=solver, before_dose=before_dose, carry=carry)
    outputs, status, left = _run(found, executor or Serial())
    chosen, reason = found.whole.solver, found.reason + _stiff(found.whole.solver, left)
    return Arrays(outputs, status, found.whole.samples.time, chosen.name, reason)


def _stiff(solver: Solver, left: NDArray[np.bool_]) -> str:
    """What is said of the subjects a solver left to its second method."""
    count = int(left.sum())
    return f"; {count} of {len(left)} subjects are stiff and were solved by {solver.second}" if count else ""


def _by_occasion(
    model: Model, parameters: Mapping[str, ArrayLike], table: EventTable, *,
    solver: str | Solver, executor: Executor | None, carry: Carry | None,
) -> Arrays:  # fmt: skip
    """Simulate each occasion of a subject whose time starts again on its own, and put them together."""
    courses, owner = occasions.split(table)
    subjects = len(table.ids)
    own = occasions.each(parameters, owner, subjects)
    found = arrange(model, own, courses, None, solver=solver, carry=carry)
    each, outcome, left = _run(found, executor or Serial())
    status, chosen = occasions.outcome(outcome, owner, subjects), found.whole.solver
    place, wanted, time = sample_places(courses), sample_places(table), record_samples(table).time
    outputs = {
        name: np.where((status == Status.ok)[:, None], occasions.join(values, place, wanted, time.shape), np.nan)
        for name, values in each.items()
    }
    stiff = np.bincount(owner, weights=left, minlength=subjects) > 0
    return Arrays(outputs, status, time, chosen.name, found.reason + _stiff(chosen, stiff))


class Whole(NamedTuple):
    """All subjects at once; as :class:`engine.block.Block`, but with schedules that are not yet written out."""

    model: Model
    solver: Solver
    parameters: Mapping[str, Floats]
    schedules: Schedules
    samples: Samples
    covariates: Covariates | None


class Arranged(NamedTuple):
    """Subjects ready to be computed: ``whole``, and of each subject the ``row`` of its schedule; why this solver."""

    whole: Whole
    row: NDArray[np.int64]
    reason: str

    def parts(self) -> list[NDArray[np.int64]]:
        """Subjects of each block; those who share a schedule stand together."""
        count, times = len(self.row), self.whole.samples.time
        rows, each = np.unique(self.row, return_counts=True)
        # A block of one schedule is cheaper than one of several, unless that makes many small blocks.
        grouped = len(rows) * _GROUP <= count
        order = np.arange(count) if len(rows) == count else np.argsort(self.row, kind="stable")
        groups = np.split(order, np.cumsum(each)[:-1]) if grouped else [order]
        size = blocks.size(self.whole.model, times.shape[1], own=len(times) > 1 or len(groups) < len(rows))
        return [part for group in groups for part in np.array_split(group, -(-len(group) // size))]

    def blocks(self) -> Iterator[Block]:
        """Block of each part."""
        return _blocks(self.whole, self.row, self.parts())


def arrange(
    model: Model, parameters: Mapping[str, ArrayLike], dosing: Dosing, times: ArrayLike | None, *,
    solver: str | Solver = "auto", before_dose: bool = False, carry: Carry | None = None,
) -> Arranged:  # fmt: skip
    """Check what :func:`simulate_arrays` is given and make it ready."""
    chosen, reason = choose(model, solver)
    known, covariates = _from_table(model, parameters, dosing, carry)
    varying = () if covariates is None else tuple(covariates.values)
    values, count = parameter_arrays(model, {**known, **parameters}, elsewhere=varying)
    schedule, row = _schedule(model, dosing, count)
    samples = _samples(dosing, times, before_dose, schedule)
    count = count or max(len(row), len(samples.time))
    values = {name: np.broadcast_to(value, (count,)) for name, value in values.items()}
    _check_count(count, len(samples.time), "times")
    whole = Whole(model, chosen, values, schedule, samples, covariates)
    return Arranged(whole, np.broadcast_to(row, (count,)), reason)


def simulate(
    model: Model, parameters: "Mapping[str, float] | xr.Dataset", dosing: Dosing | Policy,
    times: ArrayLike | None = None, *, solver: str | Solver = "auto", executor: Executor | None = None,
    before_dose: bool = False, observe: Observe | None = None, covariates: "xr.Dataset | None" = None,
    carry: Carry | None = None,
) -> "xr.Dataset":  # fmt: skip
    """Simulate each subject under its doses.

    Parameters
    ----------
    model
        The equations.
    parameters
        A mapping from the model's parameter names to numbers (one typical subject, or all alike), or a
        Dataset(subject) that has them; other variables of a Dataset, such as covariates, are ignored. A ``units``
        attribute must be the model's. A parameter that is not given and is a column of the event table (of the same
        name, in any case) is taken from there, and may change from record to record.
    dosing
        A regimen for all, a sequence with one for each subject, a regimen as each subject took it (:class:`Taken`), an
        event table, or a policy. NONMEM's rules hold; the
        docstring of :class:`engine.EventTable` has them, and in what order things happen at one time.
    times
        When to sample, in the model's unit of time: (time), or (subject, time) with NaN for no sample. None with an
        event table: at its observation records (EVID 0), in their place among records of the same time.
    solver
        Name of a file in ``conf/solver``, or a solver.
    executor
        Where blocks of subjects are computed; this process when None. Every executor gives the same bits.
    before_dose
        Whether a sample at the time of a dose is taken before it (a trough); else it is taken after it.
    observe
        With a policy: what the protocol lets it see, ``observe(output, visit, values)``; the true values when None.
        A policy's own measurement at a visit is always taken before the dose of that time.
    covariates
        With a policy: Dataset(subject) its ``initial`` may look at.
    carry
        With an event table: how long the values of its columns hold that are parameters. ``"backward"`` (None):
        as in NONMEM, over the time that ends at their record. ``"forward"``: from their record on. Either way
        the record itself, its dose (lag, bioavailability, rate, duration, steady state), its reset and its observation
        have its own values; an additional dose (ADDL) has those of the time at which it is due, and a sample between
        records those of the time it lies in. After the last record its values stay.

    Returns
    -------
    Dataset
        Every output of the model, (subject, time), with ``units``; and ``status``, (subject), codes of
        :class:`engine.Status`: a subject that fails is NaN and never stops the others. With times of its own for each
        subject they are the coordinate ``sample_time``, (subject, time). With a policy also ``amount``,
        (subject, administration), the dose given at each ``dose_time``, and ``seen_<output>``, (subject, visit).

    Raises
    ------
    DataError, DosingError, SolverError
        Before anything is computed, naming the field, what it got and what it wanted.
    """
    from engine.labels import label, label_adaptive, unlabel

    named, subject = unlabel(model, parameters, dosing)
    if isinstance(dosing, Policy):
        _check_carry(dosing, carry)
        arrays = simulate_policy(
            model, named, dosing, times, solver=solver, executor=executor, before_dose=before_dose, observe=observe,
            covariates={} if covariates is None else {str(name): covariates[name].to_numpy() for name in covariates},
        )  # fmt: skip
        return label_adaptive(model, arrays, subject, dosing)
    if observe is not None or covariates is not None:
        raise DosingError("simulate: observe and covariates are for a policy; the dosing is not one")
    found = simulate_arrays(
        model, named, dosing, times, solver=solver, executor=executor, before_dose=before_dose, carry=carry
    )
    return label(model, found, subject)


class PolicyArrays(NamedTuple):
    """What :func:`simulate_policy` gives: :class:`Arrays`, and what the policy did.

    ``amount`` of each dose, (subject, dose), given at ``dose_time``, (dose); ``seen`` measurements of each output,
    (subject, visit).
    """

    arrays: Arrays
    amount: Floats
    dose_time: Floats
    seen: dict[str, Floats]


def simulate_policy(
    model: Model, parameters: Mapping[str, ArrayLike], policy: Policy, times: ArrayLike | None, *,
    solver: str | Solver = "auto", executor: Executor | None = None, before_dose: bool = False,
    observe: Observe | None = None, covariates: Mapping[str, NDArray[Any]] | None = None, taken: Floats | None = None,
) -> PolicyArrays:  # fmt: skip
    """Simulate a policy on plain arrays; :func:`simulate` says what the arguments mean.

    ``taken`` is the share of each dose that is taken, (subject, dose): the policy knows what it prescribed, ``amount``
    is what was taken.
    """
    chosen, reason = choose(model, solver)
    values, count = parameter_arrays(model, parameters)
    known = dict(covariates or {})
    if wrong := [name for name, value in known.items() if len(value) != (count or 1)]:
        raise DataError(f"covariates: {wrong[0]} has {len(known[wrong[0]])} subjects; the parameters have {count or 1}")
    values = {name: np.broadcast_to(value, (count or 1,)) for name, value in values.items()}
    time = _samples(policy, times, before_dose, None).time
    if len(time) > 1:
        raise DataError(f"times: shape {time.shape}; with a policy, times are the same for all subjects")
    setting = Setting(model, chosen, time[0], before_dose, observe or _truth, known, taken)
    found = run(setting, values, policy, executor or Serial())
    arrays = Arrays(found.outputs, found.status, time, chosen.name, reason + _stiff(chosen, found.left))
    return PolicyArrays(arrays, found.amount, found.dose_time, found.seen)


def _truth(_output: str, _visit: int, values: Floats) -> Floats:
    return values


def choose(model: Model, solver: str | Solver) -> tuple[Solver, str]:
    """Solver that takes the model, and why."""
    found = build("solver", solver) if isinstance(solver, str) else solver
    if not isinstance(found, Solver):
        raise SolverError(f"solver: {found!r} is no solver; the name of one in conf/solver, or a solver, is wanted")
    return found.choose(model)


def _from_table(
    model: Model, parameters: Mapping[str, ArrayLike], dosing: object, carry: Carry | None
) -> tuple[dict[str, Floats], Covariates | None]:
    """Parameters that are not given but are columns of the event table: those that stay the same, and the others."""
    _check_carry(dosing, carry)
    if isinstance(dosing, Taken):
        return {}, personal.stretches(dosing)
    if not isinstance(dosing, EventTable):
        return {}, None
    names = [name for name in model.parameter_names if name not in parameters and covariate.column(dosing, name)]
    return covariate.from_table(dosing, names, carry or "backward")


def _check_carry(dosing: object, carry: Carry | None) -> None:
    if carry not in (None, "backward", "forward"):
        raise DataError(f"carry: {carry!r}; 'backward' (as NONMEM does) or 'forward' is wanted")
    if carry is not None and not isinstance(dosing, EventTable):
        raise DataError("carry: only an event table has parameters that change from record to record")


def _schedule(model: Model, dosing: Dosing, count: int) -> tuple[Schedules, NDArray[np.int64]]:
    """Schedules, and the row of each subject (of one subject, when nothing says how many there are)."""
    if isinstance(dosing, Regimen):
        return schedules.from_regimens(model, [dosing]), np.zeros(count or 1, dtype=np.int64)
    if isinstance(dosing, EventTable):
        _check_count(count, len(dosing.ids), "dosing: the event table")
        if dosing.restarts.any():
            raise DataError("dosing: a subject's TIME starts again at a reset; give each occasion an ID of its own")
        return schedules.from_table(model, dosing), np.arange(len(dosing.ids))
    if isinstance(dosing, Taken):
        _check_count(count, dosing.subjects, "dosing: what was taken")
        return personal.schedules(model, dosing), np.arange(dosing.subjects)
    if not isinstance(dosing, Sequence) or not dosing or not all(isinstance(one, Regimen) for one in dosing):
        raise DosingError(
            f"dosing: {dosing!r:.200}; a Regimen, one for each subject, an EventTable or a Policy is wanted"
        )
    _check_count(count, len(dosing), "dosing: the sequence of regimens")
    rows: dict[Regimen, int] = {}
    objects = {id(regimen): regimen for regimen in dosing}  # telling objects apart is cheaper than comparing them
    known = {name: rows.setdefault(regimen, len(rows)) for name, regimen in objects.items()}
    row = np.asarray([known[id(regimen)] for regimen in dosing], dtype=np.int64)
    return schedules.from_regimens(model, list(rows)), row


def _check_count(count: int, found: int, what: str) -> None:
    if found not in (count, 1) and count:
        raise DataError(f"{what} has {found} subjects; the parameters have {count}")


def _samples(
    dosing: Dosing | Policy, times: ArrayLike | None, before_dose: bool, schedule: Schedules | None
) -> Samples:  # fmt: skip
    if times is None:
        if not isinstance(dosing, EventTable):
            raise DataError("times: None; sampling times are wanted (only an event table has its own)")
        return record_samples(dosing)
    time = np.atleast_2d(np.asarray(times, dtype=np.float64))
    if time.ndim > 2 or np.any(np.isinf(time)) or (time.shape[0] == 1 and np.any(np.isnan(time))):
        raise DataError("times: finite numbers are wanted, (time) or (subject, time) with NaN for no sample")
    start = np.zeros(1) if schedule is None else schedule.start
    early = time < (start[:, None] if len(start) == len(time) else start.max(initial=-np.inf))
    if np.any(early):
        raise DataError(f"times: {time[early].min():g} is before the simulation begins, at {start.max():g}")
    return Samples(time, np.full(time.shape, BEFORE if before_dose else AFTER))


def _run(arranged: Arranged, executor: Executor) -> tuple[dict[str, Floats], NDArray[np.int8], NDArray[np.bool_]]:
    """Outputs of all subjects, block by block; their Status; whom the solver left to its second method, (subject)."""
    whole, count = arranged.whole, len(arranged.row)
    left = np.zeros(count, dtype=bool)
    shape = (count, whole.samples.time.shape[1])
    memory.refuse(
        8 * shape[0] * shape[1] * len(whole.model.outputs),
        f"simulate: {count:,} subjects at {shape[1]:,} times take " + "{size}; use engine.stream, in chunks to a store",
    )
    outputs = {name: np.empty(shape) for name in whole.model.output_names}
    status = np.empty(count, dtype=np.int8)
    for part, found in zip(
        arranged.parts(), executor.map(blocks.simulate, list(arranged.blocks())), strict=True
    ):  # fmt: skip
        together = bool(np.all(np.diff(part) == 1))
        place = slice(part[0], part[-1] + 1) if together else part
        status[place] = found.status
        left[place] = False if found.left is None else found.left
        for name, values in found.values.items():
            outputs[name][place] = values
    return outputs, status, left


def _blocks(whole: Whole, row: NDArray[np.int64], parts: Sequence[NDArray[np.int64]]) -> Iterator[Block]:
    for part in parts:
        rows = row[part]
        alike = bool(np.all(rows == rows[0]))
        schedule = whole.schedules.take(rows[:1] if alike else rows)
        samples = Samples._make(values[part] if len(values) > 1 else values for values in whole.samples)
        parameters = {name: np.ascontiguousarray(values[part]) for name, values in whole.parameters.items()}
        covariates = None if whole.covariates is None else whole.covariates.take(part)
        yield Block(whole.model, whole.solver, parameters, schedule, samples, covariates)
