"""Cloud accounts that are read by themselves: what may be said of one."""
