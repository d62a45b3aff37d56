"""What must not be: governance policies over resources and their cost, and who breaks them.

Belongs here: the grammar of rules, the policies that ship, and the life of a violation. Does not
belong here: advice on saving (`optimizer`) or acting on a resource.
"""
