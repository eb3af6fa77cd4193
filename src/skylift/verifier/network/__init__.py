"""Judges plans of network hosts and what runs over them did; shares no code with what decides either."""
