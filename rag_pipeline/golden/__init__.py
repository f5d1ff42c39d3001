"""Golden sets: reading them, finding their passages again, and helping people to write, judge and check them."""
