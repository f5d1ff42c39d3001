"""Somebody is told: what is wrong now (`causes`), what was told of it (`record`), how it gets there (`tell`, `deliver`)."""
