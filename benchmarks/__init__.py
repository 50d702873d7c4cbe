"""How fast the engine is, beside d3rlpy and beside what the processor can do: `make bench`."""
