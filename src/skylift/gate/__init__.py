"""The gate: proves Skylift on a real cloud of real hosts."""
