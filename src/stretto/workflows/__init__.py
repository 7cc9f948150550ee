"""Steps made of steps: the patterns, each in a file of its own."""
