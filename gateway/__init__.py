"""Who you are, and the only address reachable from outside."""
