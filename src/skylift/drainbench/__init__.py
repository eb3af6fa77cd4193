"""``make bench-drain``: plans for whole fleets, ours and other tools' ways, judged by the same verifier."""
