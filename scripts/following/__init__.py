"""The tutorial, followed word by word: what its pages have a reader type is typed, and what they show must come.

page      what stands in a page: terminals, commands, what is shown
shown     may this differ from that
follow    does what a page says, in its order
terminal  a shell at which somebody types
screen    what it shows
"""
