"""The vantage agent: makes users' requests and measures the answers, on a host outside the control plane.

It is shipped to the vantage host and runs there on that host's own Python (3.9 or later) with the
standard library alone, so nothing here may import the rest of Skylift but ``model.sample``.
"""
