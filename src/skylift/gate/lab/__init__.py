"""The lab: builds a real cloud of real hosts on one machine."""
