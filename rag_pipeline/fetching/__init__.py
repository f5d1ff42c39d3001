"""Fetching over HTTP for the kinds of sources that need it: paced, retried, every redirect and address checked.

It knows no kind of source, and nothing of pages or what they mean.
"""
