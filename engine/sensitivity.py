"""How outputs change with parameters: named arrays and plain ones around :mod:`engine.gradients.forward`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine import occasions
from engine.dosing.covariates import Carry
from engine.dosing.events import EventTable
from engine.dosing.sampling import record_samples, sample_places
from engine.dosing.schedule import Floats
from engine.errors import DataError
from engine.execute import Executor, Serial
from engine.gradients.economy import parts, suited
from engine.gradients.forward import Task, differentiate
from engine.models.specification import Model
from engine.simulation import Dosing, arrange
from engine.solvers.base import Solver
from engine.status import Status

if TYPE_CHECKING:
    import xarray as xr


class SensitivityArrays(NamedTuple):
    """What :func:`sensitivity_arrays` gives.

    ``outputs`` (subject, sample) by name; ``slopes``, their derivatives, (subject, sample, parameter); ``wrt``, the
    parameters; ``status`` (subject), codes of :class:`engine.Status`; ``time`` of the samples, (1 or subject, sample);
    ``solver`` that was used and ``reason`` why.
    """

    outputs: dict[str, Floats]
    slopes: dict[str, Floats]
    wrt: tuple[str, ...]
    status: NDArray[np.int8]
    time: Floats
    solver: str
    reason: str


def sensitivity_arrays(
    model: Model, parameters: Mapping[str, ArrayLike], dosing: Dosing, times: ArrayLike | None = None, *,
    wrt: Sequence[str] | None = None, outputs: Sequence[str] | None = None, solver: str | Solver = "auto",
    executor: Executor | None = None, before_dose: bool = False, carry: Carry | None = None,
) -> SensitivityArrays:  # fmt: skip
    """Outputs and their derivatives as plain arrays; :func:`sensitivities` says what the arguments mean.

    ``outputs`` are the names of those wanted; all when None.
    """
    if isinstance(dosing, EventTable) and dosing.restarts.any():
        if times is not None:
            raise DataError("times: a subject's TIME starts again at a reset; only its records can be sampled (None)")
        options: dict[str, Any] = {"solver": solver, "executor": executor, "carry": carry}
        return _by_occasion(model, parameters, dosing, wrt=wrt, outputs=outputs, **options)
    count = len(model.parameter_names if wrt is None else wrt)
    economical, why = suited(model, solver, min(count, len(next(parts(model, model.parameter_names)))))
    found = arrange(model, parameters, dosing, times, solver=economical, before_dose=before_dose, carry=carry)
    columns = [] if found.whole.covariates is None else [*found.whole.covariates.values]
    names = _known(model.parameter_names, wrt, "wrt", f"a parameter of model {model.name}", columns)
    wanted = _known(model.output_names, outputs, "outputs", f"an output of model {model.name}")
    whole, count = found.whole, len(found.row)
    shape = (count, whole.samples.time.shape[1])
    values = {name: np.empty(shape) for name in wanted}
    slopes = {name: np.empty((*shape, len(names))) for name in wanted}
    status = np.empty(count, dtype=np.int8)
    status[:] = Status.ok
    for first, group in _numbered(parts(model, names)):
        tasks = [Task(block, group, wanted) for block in found.blocks()]
        for part, done in zip(found.parts(), (executor or Serial()).map(differentiate, tasks), strict=True):
            status[part] = np.where(status[part] == Status.ok, done.status, status[part])
            for name in wanted:
                values[name][part] = done.values[name]
                slopes[name][part, :, first : first + len(group)] = done.slopes[name]
    for array in (*values.values(), *slopes.values()):
        array[status != Status.ok] = np.nan
    return SensitivityArrays(values, slopes, names, status, whole.samples.time, whole.solver.name, found.reason + why)


def _numbered(groups: Iterable[tuple[str, ...]]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Groups, each with the number of names before it."""
    before = 0
    for group in groups:
        yield before, group
        before += len(group)


def _by_occasion(
    model: Model, parameters: Mapping[str, ArrayLike], table: EventTable, **options: Any
) -> SensitivityArrays:  # fmt: skip
    """The same for each occasion of a subject whose time starts again, put together."""
    courses, owner = occasions.split(table)
    subjects = len(table.ids)
    found = sensitivity_arrays(model, occasions.each(parameters, owner, subjects), courses, **options)
    status = occasions.outcome(found.status, owner, subjects)
    place, wanted, time = sample_places(courses), sample_places(table), record_samples(table).time

    def together(arrays: Mapping[str, Floats]) -> dict[str, Floats]:
        joined = {
            name: occasions.join(values, place, wanted, (*time.shape, *values.shape[2:]))
            for name, values in arrays.items()
        }
        for values in joined.values():
            values[status != Status.ok] = np.nan
        return joined

    outputs, slopes = together(found.outputs), together(found.slopes)
    return SensitivityArrays(outputs, slopes, found.wrt, status, time, found.solver, found.reason)


def sensitivities(
    model: Model, parameters: "Mapping[str, float] | xr.Dataset", dosing: Dosing, times: ArrayLike | None = None, *,
    wrt: Sequence[str] | None = None, solver: str | Solver = "auto", executor: Executor | None = None,
    before_dose: bool = False, carry: Carry | None = None,
) -> "xr.Dataset":  # fmt: skip
    """Simulate each subject and differentiate its outputs by its parameters.

    The derivatives are states of their own (forward variational equations), solved together with the model's.

    Parameters
    ----------
    model, parameters, dosing, times, solver, executor, before_dose, carry
        As for :func:`engine.simulate`; a policy has no derivatives.
    wrt
        Names of the parameters to differentiate by; when None all but those that change with time, which are columns
        of the event table.

    Returns
    -------
    Dataset
        Every output, (subject, time), and its derivative ``d_<output>``, (subject, time, parameter), in the output's
        unit per that of the parameter (coordinate ``parameter_units``); ``status``, (subject). A subject that fails is
        NaN. A sample at the very time at which a dose with a lag arrives has the derivative of the side it is on:
        after the dose.

    Raises
    ------
    DataError, DosingError, ModelError, SolverError
        Naming the field, what it got and what it wanted. ModelError where the equations jump at a time that depends on
        the states or on parameters of ``wrt``. DosingError for a steady state added to what is there (SS 2) in a
        linear model with a constant production. DataError for a parameter of ``wrt`` that changes with time.
    """
    from engine.labels import label, unlabel
    from engine.simulation import Arrays

    named, subject = unlabel(model, parameters, dosing)
    found = sensitivity_arrays(
        model, named, dosing, times, wrt=wrt, solver=solver, executor=executor, before_dose=before_dose, carry=carry
    )
    out = label(model, Arrays(found.outputs, found.status, found.time, found.solver, found.reason), subject)
    units = {one.name: one.unit for one in model.parameters}
    slopes: dict[str, Any] = {}
    for output in model.outputs:
        about = {"meaning": f"derivative of {output.name} by each parameter", "units": f"{output.unit} / parameter"}
        slopes[f"d_{output.name}"] = (("subject", "time", "parameter"), found.slopes[output.name], about)
    return out.assign(slopes).assign_coords(
        parameter=list(found.wrt), parameter_units=("parameter", [units[name] for name in found.wrt])
    )


def _known(
    names: Sequence[str], asked: Sequence[str] | None, field: str, what: str, columns: Sequence[str] = ()
) -> tuple[str, ...]:
    if asked is None:
        return tuple(name for name in names if name not in columns)
    if isinstance(asked, str) or (unknown := [name for name in asked if name not in names]):
        wrong = asked if isinstance(asked, str) else unknown[0]
        raise DataError(f"{field}: {wrong!r} is not {what}; a list of names is wanted, of {', '.join(names)}")
    if changing := [name for name in asked if name in columns]:
        raise DataError(f"{field}: {changing[0]} changes with time (a column of the event table); leave it out")
    return tuple(dict.fromkeys(asked))
