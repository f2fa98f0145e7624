"""Named arrays at the engine's border: cohorts in, trajectories out."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from engine.dosing.events import EventTable
from engine.errors import DataError
from engine.models.specification import Model
from engine.policy import Policy
from engine.simulation import Arrays, PolicyArrays


def unlabel(
    model: Model, parameters: "Mapping[str, Any] | xr.Dataset", dosing: object
) -> tuple[dict[str, Any], NDArray[Any] | None]:
    """Parameters as plain arrays, and the subjects' names where there are any."""
    table = dosing.ids if isinstance(dosing, EventTable) else None
    if not isinstance(parameters, xr.Dataset):
        return dict(parameters), table
    own = [parameter for parameter in model.parameters if parameter.name in parameters]
    for parameter in own:
        _check_dims(parameters, parameter.name)
        _check_units(parameters[parameter.name], parameter.name, parameter.unit)
    subject = parameters.indexes["subject"].to_numpy() if "subject" in parameters.indexes else None
    if table is not None and subject is not None and not np.array_equal(table, subject):
        raise DataError("dosing: the event table's subjects are not the parameters', in the same order")
    return {one.name: parameters[one.name].to_numpy() for one in own}, table if subject is None else subject


def label(model: Model, found: Arrays, subject: NDArray[Any] | None) -> xr.Dataset:
    """Dataset(subject, time) of a simulation's arrays."""
    names = np.arange(len(found.status)) if subject is None else subject
    outputs = {
        output.name: (("subject", "time"), found.outputs[output.name], _attributes(output.unit, output.meaning))
        for output in model.outputs
    }
    shared = len(found.time) == 1
    times: dict[str, Any] = (
        {"time": ("time", found.time[0], {"units": model.time})}
        if shared
        else {"sample_time": (("subject", "time"), found.time, {"units": model.time})}
    )
    return xr.Dataset(
        {**outputs, "status": ("subject", found.status, {"meaning": "outcome of the simulation; see engine.Status"})},
        coords={"subject": names, **times},
        attrs={
            "model": model.name,
            "model_digest": model.digest,
            "solver": found.solver,
            "solver_reason": found.reason,
        },
    )


def label_adaptive(
    model: Model, found: PolicyArrays, subject: NDArray[Any] | None, policy: Policy
) -> xr.Dataset:  # fmt: skip
    """Dataset of a policy's simulation: trajectories, doses given and measurements seen."""
    dosed = model.states[model.state_names.index(policy.into)]
    time = {"units": model.time}
    units = {output.name: output.unit for output in model.outputs}
    more = {
        "amount": (("subject", "administration"), found.amount, {"units": dosed.unit}),
        **{f"seen_{name}": (("subject", "visit"), seen, {"units": units[name]}) for name, seen in found.seen.items()},
    }
    coordinates = {
        "dose_time": ("administration", found.dose_time, time),
        "visit_time": ("visit", np.asarray(policy.visits, dtype=np.float64), time),
    }
    labelled = label(model, found.arrays, subject).assign(more).assign_coords(coordinates)
    return labelled.assign_attrs(dose_into=policy.into, policy=repr(policy))


def _attributes(unit: str, meaning: str) -> dict[str, str]:
    return {"units": unit, "meaning": meaning} if meaning else {"units": unit}


def _check_dims(parameters: xr.Dataset, name: str) -> None:
    if parameters[name].dims not in ((), ("subject",)):
        raise DataError(
            f"parameters: {name} has dims {parameters[name].dims}; ('subject',) is wanted: select or stack others"
        )


def _check_units(values: xr.DataArray, name: str, wanted: str) -> None:
    found = values.attrs.get("units")
    if found is None or found == wanted:
        return
    from engine.models.algebras.units import difference, same, unit

    if not same(unit(str(found)), unit(wanted)):
        raise DataError(
            f"parameters: {name} is in {found}; the model wants {wanted}: {difference(unit(str(found)), unit(wanted))}"
        )
