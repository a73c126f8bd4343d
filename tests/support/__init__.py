"""What the tests share: real parts, started and stopped."""
