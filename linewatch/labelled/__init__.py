"""A line's labelled data as a folder in MVTec layout: written for use elsewhere, and read."""
