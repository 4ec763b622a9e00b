"""How many cameras a trained model carries on this machine: measured, then said in plain words.

The order of a measurement: `frames` makes or reads encoded pictures, `processes` starts scoring
processes, `loads` is what they are asked to do, `measuring` asks them, `capacity` draws the
conclusion.
"""
