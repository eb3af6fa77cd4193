"""Whole runs of the real engine on the fake cloud, under a virtual clock, with faults from a seed."""
