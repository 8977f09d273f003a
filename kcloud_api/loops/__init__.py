"""The controller's loops: each runs on a timer and on a nudge, and reads what to do from state."""
