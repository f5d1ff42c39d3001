"""A home in a bucket: the objects there, the locks of all machines, and the copy that this machine works on.

The bucket is the truth. The copy may be lost at any time, and what it has that the bucket does not is not believed.
"""
