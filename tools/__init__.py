"""What a person runs: the command line, its output, the sample applications and the demo.

The top room: it may import journal, recovery and engine, and nothing imports it.
"""
