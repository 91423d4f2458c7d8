"""Bytes on disk: whole or not at all, locked, hashed, and read again. No image."""
