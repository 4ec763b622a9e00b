"""Command line, settings and demo: what ties ingest, workers, models, db and dashboard together."""
