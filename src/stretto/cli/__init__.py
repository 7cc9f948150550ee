"""The terminal: runs, plans and shows workflows from the command line."""
