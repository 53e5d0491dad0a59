"""How benchmarks measure: the machine they run on, their inputs, taking turns, and processes of their own."""
