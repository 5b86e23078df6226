"""HTTP/1.1 as the sandbox speaks it with containers and upstreams, strictly.

`head` reads request and response heads, `body` the framing of bodies, both without input or output; `stream` is a
connection on the event loop, `served` one of a client. Bytes that RFC 9112 does not allow exactly so are
a `HttpSyntaxError`, never repaired: two readers of the same bytes must not be able to disagree.
"""
