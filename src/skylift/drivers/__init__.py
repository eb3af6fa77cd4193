"""The ports, implemented on the real world."""
