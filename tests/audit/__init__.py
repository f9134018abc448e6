"""The independent auditor: the domain's rules written a second time, slowly, without a look at the first; and what must hold night after night."""
