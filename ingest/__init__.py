"""Cameras, encoding and the bounded frame stream in Redis."""
