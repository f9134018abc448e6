"""One whole day on the sample cases, in a database and with servers of its own, whose ledger must balance at the end."""

from portal.rehearsal.day import rehearse
from portal.rehearsal.patience import DayStuck
from portal.rehearsal.scratch import NoScratch, scratch_database

__all__ = ["DayStuck", "NoScratch", "rehearse", "scratch_database"]
