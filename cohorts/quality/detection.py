"""Whether a classifier can tell a cohort from its source."""

from typing import Any

import numpy as np

from cohorts.quality.records import Records
from cohorts.specification.quantities import Array

FOLDS = 5


def detect(made: Records, real: Records, seed: int) -> dict[str, Any]:
    """Area under the curve and propensity mean-squared error, with standard errors; `fidelity` says what they mean.

    Parameters
    ----------
    made, real
        Records; their weights count in every step, never by repeating a record, which a classifier would recognise.
    seed
        Of the classifier and its folds.
    """
    values = np.concatenate([made.values, real.values])
    label = np.repeat([1, 0], [made.size, real.size])
    weight = np.concatenate([of.weights / np.sum(of.weights**2) for of in (made, real)])
    scores = _scores(values, label, weight, [bool(lv) for lv in made.levels], seed)
    auc, auc_se = area(scores[label == 1], scores[label == 0], made.weights, real.weights)
    ratio, ratio_se = _propensity(_expanded(made, values), label, weight)
    return {"auc": auc, "auc_se": auc_se, "pmse_ratio": ratio, "pmse_ratio_se": ratio_se}


def area(positive: Array, negative: Array, w: Array | None = None, u: Array | None = None) -> tuple[float, float]:
    """Area under the receiver operating characteristic and its standard error.

    DeLong et al. 1988, doi:10.2307/2531595, here with weights.

    Parameters
    ----------
    positive, negative
        Scores of those to be found and of the others, (record).
    w, u
        Weights of the two, each summing to 1; even ones by default.
    """
    w = np.full(len(positive), 1.0 / len(positive)) if w is None else w
    u = np.full(len(negative), 1.0 / len(negative)) if u is None else u
    above, below = _share_below(positive, negative, u), 1.0 - _share_below(negative, positive, w)
    found = float(w @ above)
    return found, float(np.sqrt(np.sum((w * (above - found)) ** 2) + np.sum((u * (below - found)) ** 2)))


def _share_below(scores: Array, among: Array, weights: Array) -> Array:
    """Weight of those among which a score is higher, ties counting half, (record)."""
    order = np.argsort(among, kind="stable")
    mass = np.concatenate([[0.0], np.cumsum(weights[order])])
    left, right = (mass[np.searchsorted(among[order], scores, side=side)] for side in ("left", "right"))
    return np.asarray(0.5 * (left + right))


def _scores(values: Array, label: Any, weight: Array, grouped: list[bool], seed: int) -> Array:
    """Probability of being made up, each from a classifier that has not seen the record."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    classifier = HistGradientBoostingClassifier(
        categorical_features=grouped if any(grouped) else None, max_iter=100, learning_rate=0.1, random_state=seed
    )
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    found = cross_val_predict(
        classifier, values, label, cv=folds, method="predict_proba", params={"sample_weight": weight}
    )
    return np.asarray(found[:, 1])


def _expanded(of: Records, values: Array) -> Array:
    """Standardised columns, indicators of levels, and their products two by two."""
    parts = [_column(values[:, i], len(levels)) for i, levels in enumerate(of.levels)]
    products = [
        (a[:, :, None] * b[:, None, :]).reshape(len(values), -1) for i, a in enumerate(parts) for b in parts[:i]
    ]
    squares = [part**2 for part, levels in zip(parts, of.levels, strict=True) if not levels]
    wide = np.concatenate([*parts, *products, *squares], axis=1)
    return np.asarray(wide[:, wide.std(axis=0) > 1e-12])


def _column(values: Array, levels: int) -> Array:
    if levels:
        return np.asarray(values[:, None] == np.arange(1, levels), dtype=np.float64)
    spread = values.std()
    return ((values - values.mean()) / (spread if spread > 0 else 1.0))[:, None]


def _propensity(wide: Array, label: Any, weight: Array) -> tuple[float, float]:
    """Mean-squared error of logistic propensity scores over its expectation when the two are alike, and the SD then.

    Two independent samples of one distribution, of which a share c of N records is made up: the scores differ from c by
    c (1 - c) x'b, so that the error is c (1 - c) / N times a chi-squared with as many degrees of freedom as terms.
    Weights are scaled to their effective number (Kish), so that N is that of even ones.
    """
    from sklearn.linear_model import LogisticRegression

    total = weight.sum()
    share = weight @ label / total
    rank = int(np.linalg.matrix_rank(wide - wide.mean(axis=0)))
    fitted = LogisticRegression(C=np.inf, max_iter=2000, tol=1e-8).fit(wide, label, weight).predict_proba(wide)[:, 1]
    error = float(weight @ (fitted - share) ** 2 / total)
    return error / (rank * share * (1.0 - share) / total), float(np.sqrt(2.0 / rank))
