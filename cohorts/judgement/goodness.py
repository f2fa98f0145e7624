"""Goodness of fit at each observation: predictions, residuals, random effects and how far they are shrunk."""

import numpy as np
import xarray as xr
from scipy import linalg

from cohorts.judgement.seen import Seen, group, seen
from cohorts.specification.quantities import Array


def gof(tree: xr.DataTree, *, lloq: float | None = None, output: str = "") -> xr.Dataset:
    """Predictions and residuals of every observation, and random effects with covariates of every person.

    Parameters
    ----------
    tree
        Result of `calibrate`.
    lloq
        Limit of quantification, where the data do not carry one; residuals of censored values are NaN.
    output
        Which output; may be left out when there is only one.

    Returns
    -------
    xr.Dataset
        Dims observation, subject, effect:

        - ``dv``, ``pred`` (random effects of zero), ``ipred`` (each person's conditional mean);
        - ``iwres``, the individual weighted residual: (dv - ipred) / sd, of logarithms where the error acts on them;
        - both are NaN for an outcome that is none on a scale;
        - ``cwres``, the conditional weighted residual: Hooker et al. 2007, doi:10.1007/s11095-007-9361-x, with the
          linearisation about the conditional mean and the residual SD at ``ipred``;
        - ``eta``, ``eta_sd`` (subject, effect), ``omega`` (effect) and every covariate (subject) of constant_data.

    Raises
    ------
    PopulationError
        If the tree has no group individual_fit.
    """
    data, fit, constant = seen(tree, output, lloq), group(tree, "individual_fit"), group(tree, "constant_data")
    rows = fit.isel(observation=data.rows)
    scaled = bool(np.isfinite(rows["sd"].to_numpy()).all())
    away = _distance(data.dv, rows)
    sd = rows["sd"].to_numpy()
    hidden = np.where(data.censored, np.nan, 1.0)
    columns = {
        "time": data.time,
        "subject_position": data.position,
        "dv": data.dv,
        "pred": rows["pred"].to_numpy(),
        "ipred": rows["ipred"].to_numpy(),
        "iwres": hidden * away / sd,
        "cwres": hidden * conditional_residuals(data, away, rows) if scaled else np.full(len(away), np.nan),
        "censored": data.censored,
    }
    people = {str(n): v for n, v in constant.data_vars.items() if v.dims == ("subject",) and str(n) not in columns}
    effects = {str(n): fit[n] for n in ("eta", "eta_sd", "omega") if n in fit}
    made = xr.Dataset({k: ("observation", v) for k, v in columns.items()} | effects | people)
    made.attrs = {**data.about, "unit": data.unit, "covariates": sorted(people)}
    return made


def _distance(dv: Array, rows: xr.Dataset) -> Array:
    """Measurement less individual prediction, of logarithms where the error acts on them."""
    predicted, log = rows["ipred"].to_numpy(), rows["log"].to_numpy() == 1.0
    made = dv - predicted
    made[log] = np.log(dv[log]) - np.log(predicted[log])
    return np.asarray(made)


def conditional_residuals(data: Seen, away: Array, rows: xr.Dataset) -> Array:
    """Residuals of each person from the linearised expectation, times the inverse square root of their covariance.

    With ``f`` the individual prediction at the mean ``z`` of standard normal effects and ``G`` its derivative, the
    expectation is ``f - G z`` and the covariance ``G G' + diag(sd^2)``. Censored values are left out of a person's.
    """
    slopes, sd, z = rows["jacobian"].to_numpy(), rows["sd"].to_numpy(), rows["z"].to_numpy()
    made = np.full(len(away), np.nan)
    for person in np.unique(data.position):
        own = np.flatnonzero((data.position == person) & ~data.censored)
        if not len(own):
            continue
        g = slopes[own]
        covariance = g @ g.T + np.diag(sd[own] ** 2)
        values, vectors = linalg.eigh(covariance)
        root = (vectors / np.sqrt(values)) @ vectors.T
        made[own] = root @ (away[own] + g @ z[person])
    return made


def shrinkage(tree: xr.DataTree, *, lloq: float | None = None, output: str = "") -> xr.Dataset:
    """How far random effects and residuals are drawn to zero by what the data do not say.

    Parameters
    ----------
    tree
        Result of `calibrate`.
    lloq, output
        As `gof` has them.

    Returns
    -------
    xr.Dataset
        By effect: ``eta_sd`` is 1 - SD(conditional means) / omega (NONMEM's ETASHRINKSD with conditional means),
        ``eta_variance`` is 1 - variance / omega^2, and ``pooling`` is 1 - V(E(eta)) / E(V(eta)), with the effects'
        own variance in each draw: Gelman & Pardoe 2006, doi:10.1198/004017005000000517. ``people`` is their number.
        ``epsilon_sd`` and ``epsilon_variance`` are 1 - SD(IWRES) and 1 - variance(IWRES): Savic & Karlsson 2009,
        doi:10.1208/s12248-009-9133-0.
    """
    table = gof(tree, lloq=lloq, output=output)
    residuals = table["iwres"].dropna("observation")
    spread = float(residuals.std(ddof=1))
    made = xr.Dataset({"epsilon_sd": 1.0 - spread, "epsilon_variance": 1.0 - spread**2})
    if "eta" in table:
        seen_sd = table["eta"].std("subject", ddof=1)
        mean_of = seen_sd**2
        variance_of = mean_of + (table["eta_sd"] ** 2).mean("subject")
        made = made.assign(
            eta_sd=1.0 - seen_sd / table["omega"],
            eta_variance=1.0 - mean_of / table["omega"] ** 2,
            pooling=1.0 - mean_of / variance_of,
            people=table.sizes["subject"],
        )
    made.attrs = {n: table.attrs[n] for n in ("output", "approximation") if n in table.attrs}
    return made
