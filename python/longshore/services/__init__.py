"""What happens, in which order. Knows no HTTP, no SQL text, no Azure."""
