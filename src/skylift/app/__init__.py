"""Use cases: one verb per file. Only ``wiring`` knows concrete drivers."""
