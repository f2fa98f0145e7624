"""Trial data of crossovers: from a table of measurements, and simulated."""

import numpy as np
import pandas as pd
import xarray as xr

DIMS = ("replicate", "subject", "period")


def from_table(path):
    """Data of one replicate from columns subject, period, treatment and PK; what a subject lacks is missing."""
    table = pd.read_csv(path)
    subjects = sorted(table["subject"].unique())
    sequences = table.drop_duplicates("subject").set_index("subject")["sequence"]
    periods = table["period"].max()
    arm = np.array([[["TR".index(letter) for letter in sequences[subject]] for subject in subjects]])
    values = table.pivot(index="subject", columns="period", values="PK").reindex(subjects).to_numpy()[None, :, :periods]
    return xr.Dataset({"pk": (DIMS, values), "arm": (DIMS, arm, {"names": ["test", "reference"]})})


def simulated(orders, *, per_sequence, replicates, seed, effects, cv, cv_between=0.4, names=("test", "reference")):
    """Log-normal crossovers: arms' log means, within-subject CVs by arm, period effects, balanced random order."""
    rng = np.random.default_rng(seed)
    n = per_sequence * len(orders)
    sequence = rng.permuted(np.tile(np.arange(n) % len(orders), (replicates, 1)), axis=1)
    arm = np.asarray(orders)[sequence]
    spread = np.sqrt(np.log1p(np.square(np.broadcast_to(cv, len(names)))))
    logs = np.asarray(effects)[arm] + 0.1 * np.arange(arm.shape[-1]) + spread[arm] * rng.standard_normal(arm.shape)
    logs += np.sqrt(np.log1p(cv_between**2)) * rng.standard_normal((replicates, n, 1))
    return xr.Dataset({"pk": (DIMS, np.exp(logs)), "arm": (DIMS, arm, {"names": list(names)})})
