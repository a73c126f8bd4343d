"""Pixel work: decoding, encoding, rendering, and processes of their own to run it in.

Nothing here knows HTTP, the index or the storage.
"""
