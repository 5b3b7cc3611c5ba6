"""What the demo, `make run` and the benchmarks share."""
