"""Maintenance of a whole fleet of compute hosts, planned purely: nothing here asks a cloud."""
