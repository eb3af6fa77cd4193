"""``make bench-ssh``: what reaching many hosts costs us, beside ansible-core on the same hosts."""
