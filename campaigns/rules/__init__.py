"""The rules of who is written to, as pure functions on aligned arrays. No Django, no clock, no loop over contacts."""
