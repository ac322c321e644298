"""What the service costs, next to what it could cost at the least. `scripts/bench` runs it."""
