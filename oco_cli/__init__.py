"""The front door: `oco …`.

Belongs here: reading arguments, showing progress and results to people, starting and stopping
processes. Does not belong here: anything that another program would want to call. A command imports
what it needs when it runs, so that `oco --help` is quick.
"""
