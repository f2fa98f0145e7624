"""What an expression can be computed with: numpy, pint units, PyTensor, heyoka and sympy, one file each.

Each file names its :class:`~engine.models.expression.Algebra` in capitals and is imported only by who needs it.
"""
