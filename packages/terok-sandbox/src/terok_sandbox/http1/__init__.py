"""HTTP/1.1 as the sandbox speaks it with containers and upstreams: strict, without input or output of its own.

`head` reads request and response heads, `body` the framing of bodies. Bytes that RFC 9112 does not allow exactly so are
a `HttpSyntaxError`, never repaired: two readers of the same bytes must not be able to disagree.
"""
