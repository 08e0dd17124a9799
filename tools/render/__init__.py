"""How values look to a person and to a program: times, frames, rows, tables. It reads no journal
and prints nothing.
"""
