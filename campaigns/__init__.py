"""Middle floor: who should hear what, and when. Built in issue 3; until then an empty storey."""
