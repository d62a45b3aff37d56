"""The ledger: every answered call becomes exactly one row, whatever fails meanwhile.

Belongs here: the local spool of metadata, and the writer that moves it into PostgreSQL together
with what budgets have spent. Does not belong here: deciding what a call cost, or its content.
"""
