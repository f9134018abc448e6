"""The independent auditor: the domain's rules written a second time, slowly, without a look at the first.

`make audit` runs it over three simulated years.
"""
