"""Growing golden sets: proposing queries, judging what releases retrieve, and hygiene. It only adds to what people wrote."""
