"""The figures that Stretto promises, each measured beside a baseline in one run."""
