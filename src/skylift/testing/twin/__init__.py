"""The twin of a cloud: whole runs over a fleet in simulated time, with faults from a seed."""
