"""Fakes, the fake cloud, the crash fuse and the port contracts: public, typed, and honest."""
