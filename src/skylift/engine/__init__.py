"""Runs a plan: an append-only journal, a pure fold and decision, effects in one place."""
