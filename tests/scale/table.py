"""The figures as text: each run as it ends, and at the end one table that can be pasted into the README."""
