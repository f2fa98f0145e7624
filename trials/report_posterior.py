"""The calibration in a report: the data, whether the sampler converged, and what it found."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cohorts
from trials.report_tables import Table, plain, shown_unit, with_error

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from engine import Model
    from trials.protocol import Result
    from trials.reference import Reference


DESCRIBED = {"title": "Data", "file": "File", "sha256": "SHA-256", "output": "Measured"}


@dataclass(frozen=True, slots=True)
class Section:
    """What the template shows of a calibration; `ok` when no gate failed."""

    data: Table
    verdict: Table
    summary: Table
    references: Table
    ok: bool


def section(result: Result) -> Section:
    """The calibration behind `result`, from its posterior and manifest."""
    posterior = result.posterior
    assert posterior is not None, "the caller has looked"
    failed: Mapping[str, str] = json.loads(posterior.attrs["failed"])
    table = cohorts.diagnose(posterior)
    return Section(
        data=data(result),
        verdict=verdict(posterior),
        summary=summary(table, result.trial.protocol.model),
        references=references(table, result.trial.calibration.references),
        ok=not failed,
    )


def data(result: Result) -> Table:
    """What was fitted to and how: the description of the data, what was left out and why, the fit."""
    described = result.trial.config["data"]
    several = {"output": ", ".join((described.get("outputs") or {}).values())}
    rows = [(label, plain(described.get(key) or several[key])) for key, label in DESCRIBED.items()]
    left_out = [f"{row['column']} = {row['equals']}: {row['reason']}" for row in described.get("exclude") or ()]
    rows.append(("Left out", " ".join(left_out) or "nothing"))
    rows += [(name.capitalize(), plain(value)) for name, value in (described.get("provenance") or {}).items()]
    evidence = result.manifest["evidence"]
    rows += [(name.capitalize(), plain(evidence[name])) for name in ("fit", "key") if name in evidence]
    return Table(("", ""), tuple((label, " ".join(text.split())) for label, text in rows))


def verdict(posterior: xr.DataTree) -> Table:
    """Each gate: what was found, what was wanted, and whether a failure was allowed."""
    gates, failed, allowed = (json.loads(posterior.attrs[name]) for name in ("gates", "failed", "allowed"))
    found = _approximation if "approximation" in posterior.attrs else _chains
    checks, note = found(posterior.attrs, gates)
    rows = tuple((name, got, wanted, _passed(key, failed, allowed)) for key, name, got, wanted in checks)
    return Table(("Check", "Found", "Wanted", "Passed"), rows, (1, 2), note)


def _chains(attrs: Mapping[Any, Any], gates: Mapping[str, Any]) -> tuple[list[tuple[str, ...]], str]:
    """Checks of a sampled posterior, and how it was sampled."""
    found: list[tuple[str, ...]] = [
        ("rhat", "Largest R-hat", f"{attrs['rhat_max']:.4f}", f"< {gates['rhat']:g}"),
        ("ess", "Smallest effective sample size, bulk or tail", f"{attrs['ess_min']:.0f}", f"> {gates['ess']:g}"),
        ("divergences", "Divergent transitions", str(attrs["divergences"]), f"at most {gates['divergences']}"),
    ]
    if "ebfmi" in gates:
        least = f"{attrs['ebfmi_min']:.2f}"
        found.append(("ebfmi", "Smallest E-BFMI of a chain", least, f"at least {gates['ebfmi']:g}"))
    note = (
        f"NUTS (nutpie), {attrs['chains']} chains of {attrs['draws']} draws after {attrs['tune']} of tuning, seed "
        f"{attrs['seed']}; compiled in {attrs['seconds_compile']:.0f} s, sampled in {attrs['seconds_sample']:.0f} s. "
        "R-hat and effective sample sizes are over every parameter of the population and of each person."
    )
    return found, note


def _approximation(attrs: Mapping[Any, Any], gates: Mapping[str, Any]) -> tuple[list[tuple[str, ...]], str]:
    """The check of a posterior that is an approximation, and which."""
    k = f"{attrs['pareto_k']:.2f}"
    found: list[tuple[str, ...]] = [
        ("pareto_k", "Pareto k of the importance weights", k, f"< {gates.get('pareto_k', 0.7):g}")
    ]
    note = (
        f"An approximation for a first look ({attrs['approximation']}), not a sample of the posterior; seed "
        f"{attrs['seed']}, made in {attrs['seconds_sample']:.0f} s; effective number of its proposed draws "
        f"{attrs['ess']:.0f}. R-hat and effective sample sizes below mean nothing: its draws are independent."
    )
    return found, note


def _passed(gate: str, failed: Mapping[str, str], allowed: list[str]) -> str:
    if gate not in failed:
        return "yes"
    return "no, allowed by the configuration" if gate in allowed else "no"


def summary(table: pd.DataFrame, model: Model) -> Table:
    """Posterior of every population-level number, with its diagnostics."""
    rows = tuple(_number(str(name), row.to_dict(), model) for name, row in table.iterrows())
    head = ("Number", "Unit", "Mean ± MCSE", "SD", "90 % interval", "R-hat", "ESS bulk", "ESS tail")
    return Table(head, rows, (2, 3, 4, 5, 6, 7))


def references(table: pd.DataFrame, found: Sequence[Reference]) -> Table:
    """Fits by others beside ours: how far apart, in standard errors of theirs."""
    rows = []
    for row in found:
        mean, sd = (float(table[column].loc[row.name]) for column in ("mean", "sd"))
        apart = plain((mean - row.estimate) / row.error, 2)
        ours, theirs = f"{plain(mean)} ({plain(sd, 3)})", f"{plain(row.estimate)} ({plain(row.error, 3)})"
        rows.append((row.name, ours, theirs, apart, row.fit))
    note = " ".join(dict.fromkeys(f"{row.fit}: {row.source}" for row in found))
    head = ("Number", "Posterior mean (SD)", "Their estimate (SE)", "Apart, in their SE", "Fit")
    return Table(head, tuple(rows), (1, 2, 3), note)


def _number(name: str, row: Mapping[Any, Any], model: Model) -> tuple[str, ...]:
    return (
        name,
        shown_unit(name, str(row["units"]), model),
        with_error(row["mean"], row["mcse_mean"]),
        plain(row["sd"], 3),
        f"{plain(row['lower'], 3)} to {plain(row['upper'], 3)}",
        f"{row['rhat']:.4f}",
        f"{row['ess_bulk']:.0f}",
        f"{row['ess_tail']:.0f}",
    )
