"""The command line: a function of an app and a view per verb."""
