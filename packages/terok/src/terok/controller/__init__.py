"""The one resident process of a user, which looks after tasks while nobody does.

It follows what containers do, starts what is queued, records ends, and tells front ends. It holds no secret; all it
knows is in the database, so that killing it loses nothing. What takes long or much memory, it has a child do.
"""

from __future__ import annotations
