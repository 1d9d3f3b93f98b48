"""Proof by exhaustion that no message is lost or doubled: `make chaos`, and a part of it in test_chaos*.py."""
