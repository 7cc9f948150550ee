"""Stretto orchestrates agent and tool workflows: it runs together what may, and tells the truth about every outcome."""
