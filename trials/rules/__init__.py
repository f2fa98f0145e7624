"""Decision rules: a late layer over simulated trials. Many are scored on one stored set of replicates."""
