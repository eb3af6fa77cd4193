"""Judges the plan of a fleet by replaying it; shares no code with what made it."""
