"""Remaining lengths on both sides of where the length field grows."""

BOUNDARIES = [127, 128, 16383, 16384, 2097151, 2097152]
