"""The terminal interface: an inbox over all tasks. Only this room imports Textual.

`views` are pure: from tasks and keys to lines of styled text. `background` does everything that can wait, in threads,
and posts values. `widgets` and `screens` draw them; the loop they run on does no input or output of its own.
"""
