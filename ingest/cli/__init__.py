"""The commands, a module each.

The only room that reads settings, prints, and ends the process; `main.py` loads a command when it is called.
"""
