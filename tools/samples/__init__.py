"""Applications that durafix run and durafix demo bring along: an echo, and a small exchange that
matches orders.
"""
