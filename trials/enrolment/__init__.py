"""Enrolment: when, and at which site, each subject is randomised. One file a process; ``base`` has the contract."""
