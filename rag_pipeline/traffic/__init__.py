"""What is asked in production: the log that replicas write, the tables it becomes, and what is judged of it.

A replica imports `rows`, `marks`, `words` and `spool` of it; it never writes to a table.
"""
