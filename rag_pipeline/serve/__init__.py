"""The door through which applications and agents ask a promoted release. It knows no Dagster, and writes only keys."""
