"""Skylift upgrades, patches, reboots and rolls back OpenStack clouds without taking them down."""
