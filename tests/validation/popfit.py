"""Data sets of the population fits recorded in tests/reference/popfit, with the equations each was fitted with."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import yaml

import cohorts
import engine
from engine.gradients.graph import prediction

FOLDER = Path(__file__).parents[1] / "reference" / "popfit"
POPULATIONS = yaml.safe_load((FOLDER / "populations.yaml").read_text(encoding="utf-8"))
BY_RATE = {
    "name": "bolus_by_rate_constant",
    "reference": "one compartment, written with its rate constant",
    "time": "h",
    "parameters": {"k": {"unit": "1/h", "meaning": "elimination"}, "v": {"unit": "L", "meaning": "volume"}},
    "states": {"central": {"unit": "mg"}},
    "derivatives": {"central": "-k * central"},
    "outputs": {"concentration": {"value": "central / v", "unit": "mg/L"}},
}


class Case(NamedTuple):
    """A population, its data and its equations."""

    population: cohorts.Population
    events: engine.EventTable
    model: engine.Model

    @property
    def data(self) -> cohorts.IndividualData:
        """What was measured, and covariates."""
        return cohorts.IndividualData(self.events.observations, self.events.covariates)

    @property
    def predict(self) -> Any:
        """The engine's prediction of every observation."""
        events = self.events
        return prediction(
            self.model, events.doses, events.observations, "concentration", subjects=events.ids.tolist()
        )  # fmt: skip


def population(name: str) -> cohorts.Population:
    """Population of one of the fits."""
    written = POPULATIONS.get(name)
    return cohorts.load_population(written if written else name)


def estimates(file: str, source: str) -> dict[str, dict[str, float]]:
    """Estimates and standard errors of the fit whose source or run contains a text."""
    fits = json.loads((FOLDER / f"{file}_reference.json").read_text(encoding="utf-8"))["fits"]
    return next(f["estimates"] for f in fits if source in f.get("source", "") or source == f.get("run"))


def _theophylline() -> pd.DataFrame:
    table = pd.read_csv(FOLDER / "theophylline.csv")
    return table[(table["EVID"] == 1) | (table["TIME"] > 0)]


def _phenobarbital() -> pd.DataFrame:
    table = pd.read_csv(FOLDER / "phenobarbital.csv").drop(columns=["FA1", "FA2"])
    apgar = table["APGR"]
    table["LOW"] = np.where(apgar < 5, "low", "normal")
    table["CLASS"] = np.select([apgar <= 3, apgar <= 7], ["low", "medium"], "high")
    return table.assign(EVID=(table["AMT"] > 0).astype(int))


def _warfarin_lag() -> pd.DataFrame:
    table = pd.read_csv(FOLDER / "warfarin_pkpd_pk.csv").rename(columns=str.upper).drop(columns="DVID")
    return table.assign(EVID=table["AMT"].notna().astype(int), AMT=table["AMT"].fillna(0.0))


def _acop() -> pd.DataFrame:
    table = pd.read_csv(FOLDER / "acop.csv").rename(columns=str.upper)
    return table[table["ID"] != 2].drop(columns=["ETN", "NUM"])


def _bauer402() -> pd.DataFrame:
    table = pd.read_csv(FOLDER / "bauer402_twocmt_bolus.csv")
    return table.assign(EVID=table["AMT"].notna().astype(int), AMT=table["AMT"].fillna(0.0))


def _bauer504() -> pd.DataFrame:
    table = pd.read_csv(FOLDER / "bauer504_onecmt_infusion_covariates.csv")
    return table.assign(EVID=(table["AMT"] > 0).astype(int))


class _Written(NamedTuple):
    table: Callable[[], pd.DataFrame]
    model: str | Mapping[str, Any]


CASES: dict[str, _Written] = {
    "theophylline_adults": _Written(_theophylline, "theophylline_oral"),
    "phenobarbital_apgar": _Written(_phenobarbital, "one_compartment_iv"),
    "phenobarbital_additive": _Written(_phenobarbital, "one_compartment_iv"),
    "phenobarbital_classes": _Written(_phenobarbital, BY_RATE),
    "warfarin": _Written(lambda: pd.read_csv(FOLDER / "warfarin_pk.csv"), "one_compartment_oral"),
    "warfarin_lag": _Written(_warfarin_lag, "one_compartment_oral"),
    "acop": _Written(_acop, "one_compartment_oral"),
    "bauer402": _Written(_bauer402, "two_compartment_iv"),
    "bauer504": _Written(_bauer504, "one_compartment_iv"),
}


def case(name: str) -> Case:
    """One of `CASES`."""
    written = CASES[name]
    return Case(population(name), engine.read_nonmem(written.table()), engine.load_model(written.model))
