"""Backup and restore of a plant: database, pictures and models in one file."""
