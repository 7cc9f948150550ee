"""Surveys a source tree: files, symbols, imports, comments, notes and git history, measured in parallel."""

from .plan import workflow

__all__ = ["workflow"]
