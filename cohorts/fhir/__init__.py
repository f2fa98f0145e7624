"""Patients in and out of FHIR R4 bundles: Patient, Observation and MedicationAdministration."""
