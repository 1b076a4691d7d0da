"""What a host and its guests' clocks do; pure: no real clock is read here, and nothing of pytest is known."""
