"""Alerts: what is wrong now (`causes`), what was said about it (`record`), and how messages get out (`tell`, `deliver`)."""
