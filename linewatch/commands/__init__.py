"""The commands, one file per group.

These files import only click at the top: help must not load what the commands need.
"""
