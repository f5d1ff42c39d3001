"""What a kind of source is: the interface every connector is written to, and how those from other packages are found.

It knows no kind by name. The kinds themselves, and all that a package of one's own may import, are in `connectors`.
"""
