"""How the pipeline lives in a Dagster that may be somebody else's: records, names, places, whose turn it is, dead runs;
and the forms in which Dagster shows what it is given: checks, tables, standard metadata.

It holds no assets, checks or jobs, and never imports `defs`, which does. It may import Dagster, as `defs` may.
"""
