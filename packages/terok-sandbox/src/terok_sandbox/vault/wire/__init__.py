"""HTTP/1.1 and WebSocket framing as the vault proxy speaks it: strict, without input or output of its own.

`head` reads request and response heads, `body` the framing of bodies, `frames` WebSocket frames; `leg` is one
connection on the event loop. What is not spelled exactly as RFC 9112 asks is a `WireError`, never repaired.
"""
