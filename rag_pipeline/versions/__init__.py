"""Answer versions: what answers are made by, kept as content, and what golden questions show each to be worth."""
