"""A canary: a part of the traffic of one channel is answered from the release of another, and the trial ends by itself."""
