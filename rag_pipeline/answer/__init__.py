"""Answers out of what was retrieved, each sentence with the passages it stands in. It knows neither HTTP nor Dagster."""
