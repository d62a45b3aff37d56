"""What keeps the warehouse in shape: partitions ahead of time, retention.

Belongs here: work on tables as such. Does not belong here: anything that knows what a row means.
"""
