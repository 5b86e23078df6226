"""A container's web page: a server on the host that lets nobody in without the page's token."""
