"""This project side by side with its peers; `python -m benchmarks.peers` says how."""
