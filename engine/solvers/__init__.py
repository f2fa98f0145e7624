"""Solvers: a socket of one file each; :mod:`engine.solvers.base` is the contract, ``conf/solver`` has the choices."""
