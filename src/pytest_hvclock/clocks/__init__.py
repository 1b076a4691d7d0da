"""A guest's clocks and nothing else: one straight segment of time, who may change it, and the log of who did."""
