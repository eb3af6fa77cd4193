"""Programs that run on a lab host by its own Python: standard library only, sent over ssh."""
