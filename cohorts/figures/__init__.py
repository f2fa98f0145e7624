"""Pictures of what a fit or a cohort is worth: each draws numbers that a function of the same name makes."""
