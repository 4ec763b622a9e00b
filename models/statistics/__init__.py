"""Statistics of a running line: rates with intervals, control charts, drift, paired tests."""
