"""Facts about OpenStack as data, each with its source."""
