"""The trial's design as CDISC's Unified Study Definitions Model 4.0, written from its protocol."""
