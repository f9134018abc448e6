"""What explain.py is made of: the facts of one contact, the plan step by step, and the words it is told in."""
