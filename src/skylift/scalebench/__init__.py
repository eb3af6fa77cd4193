"""``make bench-scale``: what shared runs, the journal and a resume cost, measured on this machine."""
