"""Who gets what and when: regimens, event tables, and the nodes a solver steps through."""
