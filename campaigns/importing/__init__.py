"""Files of contacts and of targets come in, of any size: read in blocks, staged by COPY, compared in sets, merged in one transaction.

reading ─ cleaning ─ staging ─ comparing ─ merging; `jobs` leads a file through them.
"""
