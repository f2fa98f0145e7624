"""Cohorts and posteriors on disk: Zarr, Parquet, CSV, netCDF. What leaves has passed its gates or says what not."""
