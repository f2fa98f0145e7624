"""Diplotypes of a pharmacogene by ancestry, from allele frequencies in Hardy-Weinberg proportions."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from cohorts.covariates import shelf
from cohorts.covariates.base import CovariateModel, Drawn, Values, Variable
from cohorts.errors import PopulationError
from cohorts.specification.nodes import Node, guess
from cohorts.specification.quantities import Array

OTHER = "other"
"""What alleles that are not kept are called."""


@dataclass(frozen=True, slots=True)
class Genotype(CovariateModel):
    """Two alleles drawn independently: the levels are the pairs, whichever parent each came from.

    Hardy GH. Science 1908;28:49-50. doi:10.1126/science.28.706.49. Within one ancestry; a pool of several has more
    homozygotes than this gives.

    Attributes
    ----------
    name
        What the covariate is called.
    gene
        The gene.
    alleles
        Names of the alleles.
    groups
        Names of the ancestries with their frequencies of the alleles, in that order.
    given
        The covariate with levels that says the ancestry; empty where there is one group only.
    which
        For each level of `given` the ancestry.
    source
        Where the frequencies come from.
    """

    name: str
    gene: str
    alleles: tuple[str, ...]
    groups: tuple[tuple[str, tuple[float, ...]], ...]
    given: str
    which: tuple[tuple[str, str], ...]
    source: str

    @property
    def levels(self) -> tuple[str, ...]:
        """Pairs of alleles, as ``*1/*2``."""
        return tuple("/".join(pair) for pair in combinations_with_replacement(self.alleles, 2))

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The diplotype."""
        return (Variable(self.name, "1", f"{self.gene} genotype", self.source, self.levels),)

    @property
    def width(self) -> int:
        """One uniform number an allele."""
        return 2

    def values(self, u: Array, drawn: Drawn) -> dict[str, Values]:
        """Codes of the diplotype; `CovariateModel.values` says what the arguments are."""
        names = [name for name, _ in self.groups]
        edges = [np.cumsum(frequencies)[:-1] for _, frequencies in self.groups]
        if not self.given:
            first = np.searchsorted(edges[0], u, side="right")
        else:
            group = np.array([names.index(g) for _, g in self.which])[drawn[self.given].astype(np.intp)]
            first = np.zeros(u.shape, dtype=np.intp)
            for i, edge in enumerate(edges):
                first[group == i] = np.searchsorted(edge, u[group == i], side="right")
        low, high = first.min(axis=-1), first.max(axis=-1)
        # Pairs in order: all with the first allele, then all with the second but not the first ...
        return {self.name: (low * len(self.alleles) - low * (low - 1) // 2 + high - low).astype(np.int64)}

    def to_dict(self) -> dict[str, Any]:
        """Plain mapping that `read` reads back to an equal model."""
        groups = {name: dict(zip(self.alleles, p, strict=True)) for name, p in self.groups}
        made: dict[str, Any] = {"model": "genotype", "gene": self.gene, "alleles": groups, "source": self.source}
        return {**made, "given": self.given, "ancestry": dict(self.which)} if self.given else made


def read(name: str, node: Node, before: Mapping[str, Variable]) -> Genotype:
    """Read an entry with ``model: genotype``; `cohorts.covariates.reading.read_model` says what the arguments are.

    Keys: ``gene``; ``panel``, a name in ``conf/genotype`` or a path, or ``alleles``, for each ancestry the frequency of
    each allele; ``keep``, the alleles that keep their name (all), others become ``other``; ``ancestry``, one of the
    ancestries, or, with ``given``, a covariate with levels, the ancestry of each of its levels (its own name where
    nothing is said); ``source``, which a panel has.
    """
    node.only("model", "gene", "panel", "alleles", "keep", "given", "ancestry", "source")
    if ("panel" in node.value) == ("alleles" in node.value):
        raise PopulationError(f"{node.where}: wanted either panel or alleles")
    gene = node.text("gene")
    written, source = _panel(node, gene) if "panel" in node.value else (node.inner("alleles"), "")
    found = {n.name: _frequencies(n) for n in written.named()}
    given, which = _ancestry(node, before, list(found))
    used = {a: found[a] for a in dict.fromkeys(group for _, group in which)}
    kept = _kept(node, used)
    groups = tuple((a, tuple(_pooled(p, kept))) for a, p in used.items())
    return Genotype(name, gene, kept, groups, given, which if given else (), node.text("source", source or None))


def _panel(node: Node, gene: str) -> tuple[Node, str]:
    path = shelf.find("genotype", node.text("panel"), node.path("panel"))
    panel = shelf.read(path).only("name", "title", "genes", "provenance")
    genes = panel.inner("genes")
    if gene not in genes.value:
        raise PopulationError(f"{node.path('gene')}: got {gene!r}, wanted one of {list(genes.value)}")
    about = panel.inner("provenance")
    return genes.inner(gene), f"{about.text('source')} Licence: {about.text('licence')}"


def _frequencies(node: Node) -> dict[str, float]:
    """Frequencies of alleles: shares that add up to 1, or counts."""
    found = {allele: node.number(allele) for allele in node.value}
    total = sum(found.values())
    if (
        len(found) < 1
        or min(found.values()) < 0.0
        or (abs(total - 1.0) > 1e-6 and any(v % 1.0 for v in found.values()))
    ):
        raise PopulationError(
            f"{node.where}: got numbers that sum to {total:.8g}, wanted shares that sum to 1, or counts"
        )
    if total <= 0.0:
        raise PopulationError(f"{node.where}: got no allele, wanted shares or counts")
    return {allele: v / total for allele, v in found.items()}


def _kept(node: Node, used: Mapping[str, dict[str, float]]) -> tuple[str, ...]:
    everything = list(dict.fromkeys(a for p in used.values() for a, share in p.items() if share > 0.0))
    if "keep" not in node.value:
        return tuple(everything)
    keep = [str(a) for a in node.need("keep")]
    if unknown := [a for a in keep if a not in everything]:
        raise PopulationError(f"{node.path('keep')}: got {unknown[0]!r}, wanted alleles among {everything}")
    return (*keep, OTHER) if set(everything) - set(keep) else tuple(keep)


def _pooled(shares: Mapping[str, float], kept: tuple[str, ...]) -> list[float]:
    rest = sum(v for a, v in shares.items() if a not in kept)
    return [shares.get(a, 0.0) + (rest if a == OTHER else 0.0) for a in kept]


def _ancestry(node: Node, before: Mapping[str, Variable], groups: list[str]) -> tuple[str, tuple[tuple[str, str], ...]]:
    where = node.path("ancestry")
    if "given" not in node.value:
        one = node.text("ancestry", groups[0] if len(groups) == 1 else None)
        return "", (("", _among(one, groups, where)),)
    given = node.text("given")
    if given not in before or not before[given].levels:
        known = [n for n, v in before.items() if v.levels]
        raise PopulationError(
            f"{node.path('given')}: got {given!r}, wanted a covariate with levels that stands before: {known}"
        )
    says = node.inner("ancestry").only(*before[given].levels)
    return given, tuple((level, _among(says.text(level, level), groups, where)) for level in before[given].levels)


def _among(got: str, groups: list[str], where: str) -> str:
    if got not in groups:
        raise PopulationError(f"{where}: got {got!r}, wanted one of {groups}{guess(got, groups)}")
    return got
