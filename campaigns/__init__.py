"""Middle floor: who should hear what, and when."""
