"""One SQLite file of stand-alone results, of the jobs of a search, and of cached scores."""

from .archive import Archive, ArchiveError

__all__ = ['Archive', 'ArchiveError']
