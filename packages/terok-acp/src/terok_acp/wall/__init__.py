"""Rules over plain frames about what may pass between an editor and a container: paths, content, servers, questions."""
