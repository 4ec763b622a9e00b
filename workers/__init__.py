"""RQ jobs and workers: from a frame in the stream to a verdict in the database."""
