"""Published equations for what follows from other covariates: functions on arrays, no names, no units attached."""
