"""The terminal interface in a browser: a server behind a link that works once, and a program for every browser.

`serve` prints links and serves; `admission` and `browsers` decide who is let in; `server` speaks HTTP. Every browser
has a program of its own (`__main__`), whose `driver` makes a `picture` of what Textual writes, and of what the browser
says the keys and the mouse that Textual knows (`page_events`). The browser runs no terminal and reads no escape
sequence: it gets lines of text with their looks.
"""
