"""Data sets as files: SAS transport version 5, Dataset-JSON 1.1 and the Define-XML 2.1 that describes them."""

from trials.evidence.transport import dataset_json, define, xpt

__all__ = ["dataset_json", "define", "xpt"]
