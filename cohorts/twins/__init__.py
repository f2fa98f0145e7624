"""Digital twins: what one patient's own data say, what they foretell, the dose that meets a target."""
