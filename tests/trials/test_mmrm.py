"""Mixed model for repeated measures against a dense second implementation and against closed forms."""

import dataclasses

import numpy as np
import pytest
import xarray as xr
from scipy import optimize

from trials.analyses.ancova import Ancova
from trials.analyses.mixed.structures import STRUCTURES, vech
from trials.analyses.mmrm import Mmrm
from trials.errors import TrialError

DIMS = ("replicate", "subject")
WHAT = ("it", "y", "test", "control")
VISITS = [2.0, 4.0, 8.0]


def trial(seed=0, replicates=2, n=40, missing=0.15, visits=VISITS):
    """Three arms, a baseline, a factor of three levels, visits missing here and there."""
    rng = np.random.default_rng(seed)
    arm = rng.permuted(np.tile(np.arange(n) % 3, (replicates, 1)), axis=1)
    base = 50 + 9 * rng.standard_normal((replicates, n))
    site = rng.integers(0, 3, (replicates, n)).astype(float)
    spread = np.linalg.cholesky(0.6 ** np.abs(np.subtract.outer(np.arange(len(visits)), np.arange(len(visits)))))
    noise = rng.standard_normal((replicates, n, len(visits))) @ spread.T * np.linspace(6, 9, len(visits))
    y = 0.5 * base[..., None] + 2 * site[..., None] - 3 * (arm == 0)[..., None] * np.arange(1, len(visits) + 1) + noise
    y[rng.random(y.shape) < missing] = np.nan
    return xr.Dataset(
        {
            "y": ((*DIMS, "visit_y"), y),
            "arm": (DIMS, arm, {"names": ["test", "control", "other"]}),
            "base": (DIMS, base),
            "site": (DIMS, site, {"levels": ["a", "b", "c"]}),
        },
        coords={"visit_y": visits},
    )


class Dense:
    """REML of one replicate with whole matrices, one block a subject, and derivatives by differences."""

    def __init__(self, data, structure, row=0):
        y, base, site, arm = (data[name].values[row] for name in ("y", "base", "site", "arm"))
        seen = np.isfinite(y)
        self.visits = y.shape[1]
        self.structure, self.y, self.index = STRUCTURES[structure], y[seen], [np.flatnonzero(s) for s in seen]
        each = np.stack([np.ones_like(base), base, arm == 2, arm == 0], axis=1)
        common = np.stack([site == 1, site == 2], axis=1)
        rows = [np.concatenate([np.kron(np.eye(self.visits)[j], each[i]), common[i]]) for i, j in np.argwhere(seen)]
        self.x = np.array(rows, float)
        self.contrast = np.eye(self.x.shape[1])[self.visits * 4 - 1]

    def inverse(self, parameters):
        v = self.structure(parameters[None], self.visits).covariance[0]
        blocks = [np.linalg.inv(v[np.ix_(at, at)]) if at.size else np.empty((0, 0)) for at in self.index]
        w = np.zeros((len(self.y),) * 2)
        place = 0
        for block in blocks:
            w[place : place + len(block), place : place + len(block)] = block
            place += len(block)
        return w

    def deviance(self, parameters):
        v = self.structure(parameters[None], self.visits).covariance[0]
        if np.linalg.eigvalsh(v)[0] <= 0:
            return 1e6
        w = self.inverse(parameters)
        left = self.x.T @ w @ self.x
        rest = self.y - self.x @ np.linalg.solve(left, self.x.T @ w @ self.y)
        constant = (len(self.y) - self.x.shape[1]) * np.log(2 * np.pi)
        return -np.linalg.slogdet(w)[1] + np.linalg.slogdet(left)[1] + rest @ w @ rest + constant

    def variance(self, parameters):
        w = self.inverse(parameters)
        return self.contrast @ np.linalg.solve(self.x.T @ w @ self.x, self.contrast)

    def fitted(self, start):
        return optimize.minimize(self.deviance, start, method="BFGS", options={"gtol": 1e-6})

    def answer(self, parameters):
        """Estimate, standard error and degrees of freedom of Satterthwaite."""
        w, k = self.inverse(parameters), len(parameters)
        h = 1e-4 * np.maximum(np.abs(parameters), 0.1)
        step = np.diag(h)
        gradient = [(self.variance(parameters + s) - self.variance(parameters - s)) / 2 for s in step] / h
        f = self.deviance
        hessian = [
            [
                (f(parameters + a + b) - f(parameters + a - b) - f(parameters - a + b) + f(parameters - a - b))
                / (4 * h[i] * h[j])
                for j, b in enumerate(step)
            ]
            for i, a in enumerate(step)
        ]
        assert np.shape(hessian) == (k, k)
        v = self.variance(parameters)
        beta = np.linalg.solve(self.x.T @ w @ self.x, self.x.T @ w @ self.y)
        wobble = gradient @ np.linalg.solve(np.array(hessian) / 2, gradient)
        return self.contrast @ beta, np.sqrt(v), 2 * v**2 / wobble

    def adjusted(self, parameters, spread, *, bent):
        """Standard error of Kenward and Roger, term by term as in their equation."""
        n, k = len(self.y), len(parameters)
        shape = self.structure(parameters[None], self.visits)
        w, phi = self.inverse(parameters), None
        phi = np.linalg.inv(self.x.T @ w @ self.x)

        def whole(elements):
            a, b = np.triu_indices(self.visits)
            small = np.zeros((self.visits, self.visits))
            small[a, b] = small[b, a] = elements
            big, place = np.zeros((n, n)), 0
            for at in self.index:
                big[place : place + len(at), place : place + len(at)] = small[np.ix_(at, at)]
                place += len(at)
            return big

        first = [whole(shape.first[0, :, i]) for i in range(k)]
        total = np.zeros_like(phi)
        for i in range(k):
            p_i = -self.x.T @ w @ first[i] @ w @ self.x
            for j in range(k):
                p_j = -self.x.T @ w @ first[j] @ w @ self.x
                q = self.x.T @ w @ first[i] @ w @ first[j] @ w @ self.x
                r = self.x.T @ w @ whole(shape.second[0, :, i, j]) @ w @ self.x if bent else 0.0
                total += spread[i, j] * (q - p_i @ phi @ p_j - r / 4)
        return np.sqrt(self.contrast @ (phi + 2 * phi @ total @ phi) @ self.contrast)


def mmrm(**fields):
    return Mmrm(*WHAT, **{"baseline": "base", "covariates": ("site",)} | fields)


@pytest.mark.parametrize("name", STRUCTURES)
def test_it_is_the_maximum_of_the_restricted_likelihood(name):
    data = trial()
    found = mmrm(covariance=name)(data)
    for row in range(2):
        dense = Dense(data, name, row)
        residual = data["y"].values[row] - np.nanmean(data["y"].values[row], axis=0)
        start = STRUCTURES[name].start(np.diag(np.nanvar(residual, axis=0))[None])[0]
        best = dense.fitted(start)
        assert found["deviance"].values[row] <= best.fun + 1e-7
        assert found["deviance"].values[row] == pytest.approx(best.fun, abs=2e-4)
        estimate, se, df = dense.answer(best.x)
        assert found["estimate"].values[row] == pytest.approx(estimate, abs=2e-3 * se)
        assert found["se"].values[row] == pytest.approx(se, rel=2e-3)
        assert found["df"].values[row] == pytest.approx(df, rel=2e-2)


@pytest.mark.parametrize("name", ["heterogeneous_ar1", "toeplitz", "compound_symmetry"])
def test_kenward_roger_is_the_published_sum(name):
    from trials.analyses.mixed.fit import first_guess, fit, residuals
    from trials.analyses.mixed.statistics import summarise

    data = trial(replicates=1)
    design = mmrm()._design(data)
    rest, _ = residuals(design.y, design.by_visit, design.common)
    fitted = fit(summarise(rest, design.by_visit, design.common), STRUCTURES[name], first_guess(rest))
    dense, spread = Dense(data, name), np.linalg.inv(fitted.information[0])
    for df, bent in (("kenward_roger", True), ("kenward_roger_linear", False)):
        found = mmrm(covariance=name, df=df)(data)
        assert found["se"].item() == pytest.approx(dense.adjusted(fitted.parameters[0], spread, bent=bent), rel=1e-8)
        assert found["df"].item() == pytest.approx(mmrm(covariance=name)(data)["df"].item(), rel=1e-12)


@pytest.mark.parametrize("name", STRUCTURES)
def test_derivatives_of_a_structure_are_those_of_differences(name):
    structure = STRUCTURES[name]
    start = structure.start(np.cov(np.random.default_rng(2).standard_normal((4, 30)))[None])
    assert start.shape == (1, structure.parameters(4))
    at, step = structure(start, 4), 1e-5
    for k, unit in enumerate(np.eye(start.shape[1]) * step):
        up, down = structure(start + unit, 4), structure(start - unit, 4)
        first = vech(up.covariance - down.covariance) / (2 * step)
        np.testing.assert_allclose(at.first[..., k], first, atol=1e-8)
        np.testing.assert_allclose(at.second[..., k], (up.first - down.first) / (2 * step), atol=1e-8)


def test_the_bend_of_the_unstructured_is_that_of_differences():
    from trials.analyses.mixed.structures import cholesky_bend

    rng = np.random.default_rng(4)
    v = np.cov(rng.standard_normal((3, 20)))
    a = rng.standard_normal((6, 6))
    spread = a @ a.T

    def covariance(parameters):
        d, unit = np.exp(parameters[:3]), np.eye(3)
        unit[np.tril_indices(3, -1)] = parameters[3:]
        lower = d[:, None] * unit
        return lower @ lower.T

    lower = np.linalg.cholesky(v)
    at = np.concatenate([np.log(np.diag(lower)), (lower / np.diag(lower)[:, None])[np.tril_indices(3, -1)]])
    step = 1e-3 * np.eye(6)
    first = np.stack([vech(covariance(at + s) - covariance(at - s)) / 2e-3 for s in step], axis=1)
    w = np.linalg.solve(first, np.linalg.solve(first, spread).T)
    want = np.zeros((3, 3))
    for i, s in enumerate(step):
        for j, t in enumerate(step):
            second = covariance(at + s + t) - covariance(at + s - t) - covariance(at - s + t) + covariance(at - s - t)
            want += w[i, j] * second / 4e-6
    np.testing.assert_allclose(cholesky_bend(v[None], spread[None])[0], want, rtol=1e-4, atol=1e-4 * np.abs(want).max())


def test_without_missing_visits_it_is_ancova_at_the_visit():
    data = trial(replicates=5, n=60, missing=0.0)
    for visit, time in enumerate(VISITS):
        found = Mmrm(*WHAT, baseline="base", by_visit=("site",), visit=time, all_arms=False)(data)
        last = data.assign(y=data["y"].isel(visit_y=visit, drop=True))
        want = Ancova(*WHAT, covariates=("base", "site"))(last)
        for name in ("estimate", "se", "df", "p", "lower", "upper", "n", "statistic", "decision"):
            np.testing.assert_allclose(found[name], want[name], rtol=1e-7, err_msg=name)
        adjusted = Mmrm(
            *WHAT, baseline="base", by_visit=("site",), visit=time, all_arms=False, df="kenward_roger_linear"
        )(data)
        np.testing.assert_allclose(adjusted["se"], want["se"], rtol=1e-7)


def test_one_visit_is_ancova():
    data = trial(replicates=3, missing=0.2, visits=[2.0])
    want = Ancova(*WHAT, covariates=("base",))(data.assign(y=data["y"].isel(visit_y=0, drop=True)))
    for name in ("unstructured", "ar1", "toeplitz", "compound_symmetry"):
        found = Mmrm(*WHAT, baseline="base", covariance=name, all_arms=False)(data)
        for output in ("estimate", "se", "df", "p", "n"):
            np.testing.assert_allclose(found[output], want[output], rtol=1e-7, err_msg=f"{name} {output}")


OTHERS = {
    "endpoint": "z", "test": "other", "control": "other", "baseline": None, "by_visit": (), "covariates": (),
    "covariance": "toeplitz", "df": "kenward_roger", "visit": 4.0, "all_arms": False, "alternative": "less",
    "margin": -2.0, "alpha": 0.2,
}  # fmt: skip


def test_every_field_changes_an_output():
    data = trial(n=90)
    data["age"] = (DIMS, np.random.default_rng(3).normal(60, 9, (2, 90)))
    base = mmrm(by_visit=("age",), alpha=0.05)
    assert {field.name for field in dataclasses.fields(Mmrm)} == {*OTHERS, "name"}
    data["z"] = (("replicate", "subject", "visit_z"), data["y"].values * 2)
    data = data.assign_coords(visit_z=VISITS)
    want = base(data)
    for name, value in OTHERS.items():
        found = dataclasses.replace(base, **{name: value})(data)
        assert any((found[output] != want[output]).any() for output in ("estimate", "se", "df", "p", "lower")), name


def test_alone_a_replicate_has_the_same_bits():
    data = trial(replicates=7)
    for name in ("unstructured", "heterogeneous_toeplitz"):
        analysis = mmrm(covariance=name, df="kenward_roger")
        together = analysis(data)
        for row in range(7):
            alone = analysis(data.isel(replicate=[row]))
            for output in together.data_vars:
                np.testing.assert_array_equal(alone[output], together[output].isel(replicate=[row]), err_msg=output)


def test_what_the_data_do_not_determine_is_a_failure():
    data = trial(replicates=5)
    y, arm = data["y"].values, data["arm"].values
    y[0, :, 1] = np.nan  # nobody was seen at the second visit
    y[1, arm[1] == 0, 2] = np.nan  # nobody of the test arm at the last
    data["site"].values[2] = arm[2]  # the arm is the site
    y[3, 5:] = np.nan  # five subjects
    found = Mmrm(*WHAT, baseline="base", by_visit=("site",))(data)
    assert found["failed"].values.tolist() == [True, True, True, True, False]
    assert np.isnan(found["estimate"].values[:4]).all()
    assert not found["decision"].values[:4].any()
    assert found["n"].values[3] == 5


def test_an_empty_level_and_a_constant_cost_nothing():
    data = trial()
    data["constant"] = (DIMS, np.full((2, 40), 3.0))
    data["wide"] = (DIMS, data["site"].values, {"levels": ["a", "b", "c", "d", "e"]})
    want = mmrm()(data)
    found = mmrm(by_visit=("constant",), covariates=("wide",))(data)
    for name in ("estimate", "se", "df", "deviance"):
        np.testing.assert_allclose(found[name], want[name], rtol=1e-9)


def test_a_large_mean_and_scale_lose_nothing():
    data = trial()
    want, found = mmrm()(data), mmrm()(data.assign(y=1e6 + 1e-3 * data["y"], base=1e5 + 1e4 * data["base"]))
    np.testing.assert_allclose(found["estimate"], 1e-3 * want["estimate"], rtol=1e-6)
    np.testing.assert_allclose(found["df"], want["df"], rtol=1e-6)


def test_it_holds_its_level_and_is_unbiased_when_dropout_depends_on_what_was_seen():
    rng = np.random.default_rng(7)
    data = trial(seed=8, replicates=1500, n=60, missing=0.0)
    leave = data["y"].values[:, :, 0] > np.quantile(data["y"].values[:, :, 0], 0.6)
    y = data["y"].values.copy()
    y[..., 1:][leave & (rng.random(leave.shape) < 0.8)] = np.nan
    found = mmrm(margin=-9.0)(data.assign(y=(data["y"].dims, y)))
    assert not found["failed"].any()
    mcse = found["estimate"].std().item() / np.sqrt(1500)
    assert found["estimate"].mean().item() == pytest.approx(-9.0, abs=3.5 * mcse)
    assert found["decision"].mean().item() == pytest.approx(0.05, abs=3.5 * np.sqrt(0.05 * 0.95 / 1500))


def test_truth_is_at_the_visit():
    values = np.arange(24.0).reshape(2, 4, 3)
    arms = {
        name: xr.DataArray(values * k, dims=(*DIMS, "visit_y"), coords={"visit_y": VISITS})
        for name, k in (("test", 3.0), ("control", 1.0))
    }
    np.testing.assert_array_equal(Mmrm(*WHAT).contribution(arms), 2 * values[..., 2])
    np.testing.assert_array_equal(Mmrm(*WHAT, visit=4).contribution(arms), 2 * values[..., 1])


def test_wrong_fields_are_named():
    data = trial()
    with pytest.raises(TrialError, match=r"analysis\.visit: got 3\.0, wanted one of the planned visits 2, 4, 8"):
        mmrm(visit=3)(data)
    with pytest.raises(TrialError, match=r"analysis\.covariance: got 'ar', wanted one of unstructured, ar1"):
        mmrm(covariance="ar")
    with pytest.raises(TrialError, match=r"analysis\.by_visit: got \('base',\), wanted variables that are neither"):
        mmrm(by_visit=("base",))
    with pytest.raises(TrialError, match=r"analysis\.endpoint: got \('y', 'replicate', 'subject'\), wanted a repeated"):
        mmrm()(data.assign(y=data["y"].isel(visit_y=0, drop=True)))
    with pytest.raises(TrialError, match=r"analysis\.covariates: got 'age', wanted covariates"):
        mmrm(baseline="age")(data)
