"""Trust: a log that shows when it was changed, signatures, roles, and the search for what names real people.

All of this supports a procedure that people follow; none of it is compliance with a regulation by itself.
"""
