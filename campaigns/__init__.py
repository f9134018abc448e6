"""Middle floor: who should hear what, and when. An empty storey until the campaigns move in."""
