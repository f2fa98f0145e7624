"""What reports say of a fit: convergence, posterior and prior, shrinkage, goodness of fit, fits by others."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from trials import report_posterior
from trials.evidence.reports.content import grid, pictures, with_note
from trials.evidence.reports.document import Block, Figure, Grid, Paragraph, Section, Trace
from trials.report_tables import Table, plain, with_error

if TYPE_CHECKING:
    import xarray as xr

    from trials.evidence.study import Study

DRAWS = "model/posterior.nc"
FITTED = Trace(DRAWS, "all draws", "posterior mean, SD and quantiles; split R-hat; ESS", "cohorts.diagnose")


def fit(study: Study) -> Section:
    """The section; of a run without a fit, that nothing was estimated."""
    if study.posterior is None:
        note = "Nothing was estimated in this run: all values are the literature's, so all results are predicted."
        return Section("Estimation", [Paragraph(note)])
    import cohorts

    table, verdict = cohorts.diagnose(study.posterior), report_posterior.verdict(study.posterior)
    failed = json.loads(study.posterior.attrs["failed"])
    said = "Every check of the fit passed." if not failed else f"Failed, and allowed: {', '.join(failed)}."
    summary = report_posterior.summary(table, study.trial.protocol.model)
    convergence: list[Block] = [Paragraph(said), *with_note(grid("Checks of the fit.", verdict, FITTED), verdict.note)]
    found: list[Block] = [grid("Posterior of every number of the population.", summary, FITTED)]
    inner = [
        Section("Prior predictive check", _before(study.posterior)),
        Section("Convergence", [*convergence, *pictures(study, "chains")]),
        Section(
            "Posterior",
            [*found, *pictures(study, "posterior"), *_contraction(study.posterior), *_sensitivity(study.posterior)],
        ),
        Section("Goodness of fit and shrinkage", [*_goodness(study.posterior), *_shrinkage(study.posterior)]),
        Section("Fits by other programs", others(study)),
    ]
    return Section("Estimation", [], inner)


def _before(posterior: xr.DataTree) -> list[Block]:
    """What the priors alone predict of the data, before any of it was seen."""
    import cohorts

    if "prior_predictive" not in posterior.children:
        return [Paragraph("The fit keeps no draws of the prior predictive distribution.")]
    return [
        Figure(
            f"Prior predictive check: observations and their percentiles over the intervals that the priors alone "
            f"predict ({name.replace('_', ' ')}).",
            drawn(cohorts.plot_vpc(posterior, group="prior_predictive", output=name)),
            "observed values as dots, their percentiles as lines, over wide bands that the priors predict",
            Trace(DRAWS, "group prior_predictive", "percentiles by bin of time over 90 % intervals", "cohorts.vpc"),
        )
        for name in json.loads(posterior.attrs["outputs"])
    ]


def _contraction(posterior: xr.DataTree) -> list[Block]:
    """How much narrower the posterior is than the prior: what was learned from the data."""
    before, after = (
        posterior[name].to_dataset() if name in posterior.children else None for name in ("prior", "posterior")
    )
    if before is None or after is None:
        return []
    rows = []
    for name in map(str, before.data_vars):
        if name in after and "subject" not in before[name].dims:
            wide, narrow = (float(np.std(each[name].values)) for each in (before, after))
            if wide > 0:
                rows.append((f"`{name}`", plain(wide, 3), plain(narrow, 3), f"{1 - (narrow / wide) ** 2:.3f}"))
    caption = (
        "Standard deviations of prior and posterior, and contraction 1 − (posterior SD / prior SD)²: near 1 the data "
        "speak, near 0 the prior does."
    )
    source = Trace(DRAWS, "groups prior and posterior", "standard deviation of all draws", "trials.evidence.reports")
    head = ("Number", "Prior SD", "Posterior SD", "Contraction")
    return [Grid(caption, head, rows, (1, 2, 3), source)] if rows else []


def _sensitivity(posterior: xr.DataTree) -> list[Block]:
    """How much the posterior moves with the prior, and with the likelihood."""
    import cohorts

    if not {"log_prior", "log_likelihood"} <= set(posterior.children):
        return [Paragraph("The fit keeps no densities, so sensitivity to the priors was not computed.")]
    found = cohorts.prior_sensitivity(posterior)
    rows = [
        (
            f"`{name}`",
            *(with_error(float(one[kind]), float(one[f"{kind}_mcse"])) for kind in ("prior", "likelihood")),
            str(one["diagnosis"].item()) or "none",
        )
        for name in found["parameter"].values.tolist()
        if (one := found.sel(parameter=name))
    ]
    caption = (
        "Sensitivity of the posterior to the power of prior and likelihood (change per doubling); above "
        f"{found.attrs['threshold']:g} it is remarkable."
    )
    source = Trace(
        DRAWS, "groups log_prior, log_likelihood", "power scaling (doi:10.1007/s11222-023-10366-5)",
        "cohorts.prior_sensitivity",
    )  # fmt: skip
    head = ("Number", "To the prior ± MCSE", "To the likelihood ± MCSE", "Remark")
    return [Grid(caption, head, rows, (1, 2), source)]


def _goodness(posterior: xr.DataTree) -> list[Block]:
    """Measurements over predictions and weighted residuals, of each output that has residuals."""
    import cohorts

    if "individual_fit" not in posterior.children:
        return [Paragraph("The fit keeps no residuals of individuals.")]
    return [
        Figure(
            f"Goodness of fit: measurements over predictions, weighted residuals over prediction and time ({name}).",
            drawn(cohorts.plot_gof(posterior, output=name)),
            "scatter of measurements over predictions about the line of identity, and of residuals about zero",
            Trace(DRAWS, "group individual_fit", "IWRES and CWRES at conditional means", "cohorts.gof"),
        )
        for name in json.loads(posterior.attrs["outputs"])
    ]


def _shrinkage(posterior: xr.DataTree) -> list[Block]:
    """How far random effects are drawn to zero: what the data of each person leave open."""
    import cohorts

    if "individual_fit" not in posterior.children:
        return []
    found = cohorts.shrinkage(posterior, output=json.loads(posterior.attrs["outputs"])[0])
    residuals = (f"{float(found[name]):.3f}" for name in ("epsilon_sd", "epsilon_variance"))
    rows: list[tuple[str, ...]] = [("residuals (ε)", *residuals, "–")]
    for effect in found["effect"].values if "effect" in found.coords else ():
        one = found.sel(effect=effect)
        rows.append((f"`{effect}` (η)", *(f"{float(one[name]):.3f}" for name in ("eta_sd", "eta_variance", "pooling"))))
    caption = "Shrinkage of random effects and residuals: near 0 each person's data speak, near 1 the population does."
    source = Trace(
        DRAWS, "group individual_fit", "conditional means (doi:10.1208/s12248-009-9133-0)", "cohorts.shrinkage"
    )
    return [Grid(caption, ("Effect", "Of the SD", "Of the variance", "Pooling"), rows, (1, 2, 3), source)]


def others(study: Study) -> list[Block]:
    """The same numbers in fits by other programs; none is said too."""
    import cohorts

    found = study.trial.calibration.references if study.trial.calibration is not None else ()
    if study.posterior is None or not found:
        return [Paragraph("No fit of the same data by another program is at hand.")]
    shown: Table = report_posterior.references(cohorts.diagnose(study.posterior), found)
    source = Trace(DRAWS, "all draws", "difference in standard errors of theirs", "trials.report_posterior")
    return with_note(grid("The same numbers in fits by other programs.", shown, source), shown.note)


def drawn(figure: Any) -> str:
    """SVG text of a figure; the same figure gives the same text."""
    from trials.figures.style import save

    with TemporaryDirectory() as folder:
        return save(figure, Path(folder), "figure")[0].read_text(encoding="utf-8")
