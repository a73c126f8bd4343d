"""Load benches: what the service does next to what the machine can do, in one run."""
