"""``trialtwin twin bundle=FILE model=NAME population=NAME fhir=NAME``: what a patient's data say, which dose fits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trials.compose import command_line
from trials.errors import TrialError
from trials.making import known, make

if TYPE_CHECKING:
    from cohorts import PatientRecord, Twin

FIELDS = (
    "model", "population", "fhir", "solver", "bundle", "patient", "method", "uncertainty", "particles", "seed", "allow",
    "forecast", "target", "plan", "save",
)  # fmt: skip


def main(arguments: list[str]) -> int:
    """Read a bundle, compute the twin, print what it says."""
    return command_line("trialtwin twin", "twin", arguments, job)


def job(config: Mapping[str, Any], folders: list[Path]) -> int:  # noqa: ARG001 - every command's job takes them
    """Answer for one patient."""
    import cohorts
    from engine.models.loading import load_model
    from trials.twins import twin

    known("", config, FIELDS)
    record = _chosen(cohorts.read_fhir(config["bundle"], config["fhir"]), config["patient"])
    found = twin(
        load_model(config["model"]), cohorts.load_population(config["population"]), record, seed=config["seed"],
        solver=make("solver", config["solver"]), method=config["method"], uncertainty=config["uncertainty"],
        particles=config["particles"], allow=list(config["allow"]),
    )  # fmt: skip
    print("\n\n".join([_data(record), _parameters(found), *_forecast(found, config["forecast"])]))
    if config["target"] is not None:
        print("\n" + _dose(found, config["target"], config["plan"]))
    if config["save"] is not None:
        found.posterior.to_netcdf(config["save"], engine="h5netcdf")
        print(f"\nposterior: {config['save']}")
    return 0


def _chosen(records: tuple[PatientRecord, ...], wanted: str | None) -> PatientRecord:
    names = [r.name for r in records]
    if wanted is None and len(records) == 1:
        return records[0]
    if str(wanted) not in names:
        raise TrialError(f"patient: got {wanted!r}, wants one of {', '.join(names)}")
    return records[names.index(str(wanted))]


def _data(record: PatientRecord) -> str:
    doses, seen = len(record.doses["time"]), len(record.observations["time"])
    covariates = ", ".join(f"{n} {v:.4g}" if isinstance(v, float) else f"{n} {v}" for n, v in record.covariates.items())
    return f"patient {record.name}, time 0 is {record.start}: {doses} doses, {seen} measurements; {covariates}"


def _parameters(twin: Twin) -> str:
    d, table = twin.diagnostics, twin.summary()
    varying = table[table["sd"] > 1e-9 * table["mean"].abs()]
    how = f"{d['method']}, population {d['uncertainty']}, effective sample size {d['ess']:.0f}"
    k = f", Pareto k {d['pareto_k']:.2f}" if d["method"] != "nuts" else ""
    text = f"posterior ({how}{k}); lower and upper hold 90 %\n{varying.to_string(float_format='{:.4g}'.format)}"
    return "\n".join([text, *_classes(twin)])


def _classes(twin: Twin) -> list[str]:
    """Probability of each class of each mixture, a line a mixture."""
    found = twin.classes()
    made = []
    for m in twin.population.mixtures:
        shares = zip(m.levels, found[m.name].values, found[f"{m.name}_mcse"].values, strict=True)
        made.append(f"{m.name}: " + ", ".join(f"{level} {p:.3f} (mcse {e:.3f})" for level, p, e in shares))
    return made


def _forecast(twin: Twin, after: list[float]) -> list[str]:
    if not after:
        return []
    found = twin.forecast([twin.record.end + float(hours) for hours in after])
    columns = ["mean", "mean_mcse", "lower", "upper", "measured_lower", "measured_upper"]
    table = found[columns].to_dataframe()[columns]
    return [f"forecast with the doses given so far\n{table.to_string(float_format='{:.4g}'.format)}"]


def _dose(twin: Twin, target: Mapping[str, Any], plan: Mapping[str, Any] | None) -> str:
    from cohorts import DosePlan, DoseTarget

    if plan is None:
        raise TrialError("plan: missing; a target wants to know which doses are allowed")
    try:
        wanted = DoseTarget(**_fields(target))
        allowed = DosePlan(**{"start": twin.record.end, **_fields(plan)})
    except TypeError as error:
        raise TrialError(f"target, plan: {error}") from None
    found = twin.dose_for(wanted, allowed)
    spread = f"90 % of {wanted.metric}: {found.lower:.4g} to {found.upper:.4g}."
    return f"dose, from {allowed.start:g} on\n{found.statement} {spread}"


def _fields(given: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
