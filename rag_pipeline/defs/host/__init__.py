"""How the pipeline lives in a Dagster that may be somebody else's: where its assets stand, whose turn it is, what is told.

It holds no assets, checks or jobs: those are in the folder above, whose modules import these, and never the other way round.
"""
