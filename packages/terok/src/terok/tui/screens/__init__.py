"""The screens, one a file; `terok.tui.pages` lists them."""
