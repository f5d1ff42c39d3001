"""Dagster, and nothing else: thin assets, checks, jobs and schedules over the library."""
